/**
 * Prints the answer of a language model as it comes, from any server with OpenAI's `/v1/chat/completions`:
 *
 *     deno run -A examples/openai_stream.ts http://localhost:11434 "Why is the sky blue?"
 *
 * The stream is made for one request, so there is no coming back: `reconnect: false`, and a stream that breaks off is an
 * error, not half an answer.
 */
import process from "node:process";
import { connect, ResponseError } from "@freshet/sse/client";

const [server = "http://localhost:11434", prompt = "Why is the sky blue?"] = process.argv.slice(2);

const answer = connect(new URL("/v1/chat/completions", server), {
  method: "POST",
  headers: {
    "authorization": `Bearer ${process.env["OPENAI_API_KEY"] ?? "none"}`,
    "content-type": "application/json",
  },
  body: JSON.stringify({
    model: process.env["OPENAI_MODEL"] ?? "llama3.2",
    stream: true,
    messages: [{ role: "user", content: prompt }],
  }),
  reconnect: false,
  inactivityTimeout: 60_000,
});

let isDone = false;
try {
  for await (const { data } of answer) {
    isDone = data === "[DONE]"; // OpenAI's end of the stream
    if (isDone) break;
    process.stdout.write(JSON.parse(data).choices[0]?.delta.content ?? "");
  }
  process.stdout.write("\n");
  if (!isDone) throw new Error("The answer ended before it was done");
} catch (error) {
  console.error(error instanceof ResponseError ? `${error.message}\n${error.body}` : error);
  process.exitCode = 1;
}
