/** The shapes of event streams that the benches read and write, named as bench/README.md names them. */

const encoder = new TextEncoder();

/** A chat completion's stream: what language models send. */
function deltas(bytes: number, word = "hello world"): string {
  let text = "";
  for (let i = 0; text.length < bytes; i++) {
    text += `data: {"id":"chatcmpl-${i}","object":"chat.completion.chunk","created":1700000000,"model":"gpt",` +
      `"choices":[{"index":0,"delta":{"content":"${word} ${i}"},"finish_reason":null}]}\n\n`;
  }
  return text;
}

function fields(bytes: number, lineEnd: string): string {
  let text = "";
  for (let i = 0; text.length < bytes; i++) {
    text += `id: ${i}${lineEnd}event: update${lineEnd}data: {"key":"value","count":${i}}${lineEnd}${lineEnd}`;
  }
  return text;
}

function cut(text: string, size: number): Uint8Array[] {
  const bytes = encoder.encode(text);
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.slice(i, i + size));
  return chunks;
}

function each(text: string): Uint8Array[] {
  return text.split("\n\n").slice(0, -1).map((event) => encoder.encode(event + "\n\n"));
}

const KIB = 1024;

export const shapes: ReadonlyArray<readonly [shape: string, chunks: readonly Uint8Array[]]> = [
  ["LLM deltas, 16 KiB chunks", cut(deltas(512 * KIB), 16 * KIB)],
  ["LLM deltas, one event a chunk", each(deltas(256 * KIB))],
  ["LLM deltas, 64-byte chunks", cut(deltas(128 * KIB), 64)],
  ["LLM deltas, 4-byte chunks", cut(deltas(32 * KIB), 4)],
  ["id, event and data, 16 KiB chunks", cut(fields(256 * KIB, "\n"), 16 * KIB)],
  ["CRLF, 16 KiB chunks", cut(fields(256 * KIB, "\r\n"), 16 * KIB)],
  ["non-ASCII, 16 KiB chunks", cut(deltas(256 * KIB, "Grüße, 世界 🌍"), 16 * KIB)],
  ["1 MiB line, 16 KiB chunks", cut(`data: ${"x".repeat(KIB * KIB)}\n\n`, 16 * KIB)],
  ["heartbeats only, 16 KiB chunks", cut(": heartbeat\n\n".repeat(10 * KIB), 16 * KIB)],
];

export function byteLength(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
