import type { Broker } from "../broker/broker.ts";
import type { Json, Publication } from "../broker/broker_options.ts";
import { SseError } from "../errors.ts";
import { problem } from "../server/problem.ts";
import { topicOf } from "./routes.ts";

/** Answers `POST /publish/<topic…>`: 201 and the ID, or a problem that says why nothing was published. */
export async function publish(broker: Broker, request: Request, maxBodyBytes: number): Promise<Response> {
  if (request.method !== "POST") {
    return problem(405, `Publishing takes POST: got ${request.method}`, { allow: "POST" });
  }
  const topic = topicOf(request, "/publish/");
  if (topic instanceof Response) return topic;
  const body = await readBody(request, maxBodyBytes);
  if (body === undefined) {
    return problem(413, `The body must be at most ${maxBodyBytes} bytes: got more`, { connection: "close" });
  }
  try {
    const id = await broker.publish(topic, publicationOf(body, request.headers.get("content-type") ?? ""));
    return Response.json({ id, topic }, { status: 201, headers: { "cache-control": "no-store" } });
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return problem(400, error.message);
    if (error instanceof SseError) {
      return problem(error.code === "id-taken" ? 400 : 503, error.message, { "retry-after": "1" });
    }
    throw error;
  }
}

/** The body, or `undefined` if it is too large; then what follows is not read. */
async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) {
    await request.body?.cancel();
    return undefined;
  }
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) return undefined;
    chunks.push(new Uint8Array(chunk));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function publicationOf(body: Uint8Array<ArrayBuffer>, contentType: string): Publication {
  const type = contentType.split(";", 1)[0]!.trim().toLowerCase();
  const text = decode(body);
  // Without a "=" it is no form, but what `curl -d woof` sends as one
  if (type === "application/x-www-form-urlencoded" && text.includes("=")) {
    return formPublication(new URLSearchParams(text));
  }
  if (type === "application/json" || type.endsWith("+json")) return { data: parseJson(text) };
  if (type === "multipart/form-data") {
    throw new TypeError("Cannot publish as forms must be application/x-www-form-urlencoded: got multipart/form-data");
  }
  return { data: text };
}

function formPublication(form: URLSearchParams): Publication {
  for (const name of form.keys()) {
    if (!["data", "event", "id", "retry"].includes(name)) {
      throw new TypeError(`Cannot publish as the form may hold data, event, id and retry: got ${JSON.stringify(name)}`);
    }
    if (form.getAll(name).length > 1) throw new TypeError(`Cannot publish as the form holds ${name} more than once`);
  }
  const data = form.get("data");
  if (data === null) throw new TypeError("Cannot publish as the form has no data");
  const retry = form.get("retry") || undefined;
  if (retry !== undefined && !/^[0-9]+$/.test(retry)) {
    throw new TypeError(`Cannot publish as retry must be digits: got ${JSON.stringify(retry)}`);
  }
  return {
    data,
    // A field that a page's form leaves empty was not filled in
    event: form.get("event") || undefined,
    id: form.get("id") || undefined,
    retry: retry === undefined ? undefined : Number(retry),
  };
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TypeError(`Cannot publish as the body is not JSON: got ${(error as Error).message}`);
  }
}

function decode(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new TypeError("Cannot publish as the body is not UTF-8");
  }
}
