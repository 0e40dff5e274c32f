import type { Broker } from "../broker/broker.ts";
import type { Publication } from "../broker/broker_options.ts";
import { SseError } from "../errors.ts";
import { problem } from "../server/problem.ts";
import { after } from "../time/timer.ts";

/** Answers `POST /publish/<topic…>`: 201 and the ID, or a problem that says why nothing was published. */
export function publish(
  publisher: Pick<Broker, "publish">,
  request: Request,
  topic: string,
  bodies: BodyLimits,
): Promise<Response> {
  return orProblem(async () => {
    const body = await readBody(request, bodies);
    const id = await publisher.publish(topic, publicationOf(body, request.headers.get("content-type") ?? ""));
    return Response.json({ id, topic }, { status: 201, headers: { "cache-control": "no-store" } });
  });
}

/** The answer, or a problem of what a publisher did wrong or the store cannot do. */
export async function orProblem(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof Response) return error;
    if (error instanceof TypeError || error instanceof RangeError || error instanceof URIError) {
      return problem(400, error.message);
    }
    if (error instanceof SseError) {
      return error.code === "id-taken"
        ? problem(409, error.message)
        : problem(503, error.message, { "retry-after": "1" });
    }
    throw error;
  }
}

/** What a body may cost. */
export interface BodyLimits {
  /** The most bytes. */
  readonly maxBytes: number;
  /** How long it may take to come, in milliseconds; `0` for as long as it takes. */
  readonly timeout: number;
}

/**
 * The body.
 *
 * @throws {Response} The answer to one that is too large or too slow; what follows of it is not read.
 */
async function readBody(request: Request, { maxBytes, timeout }: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = (): Response =>
    problem(413, `The body must be at most ${maxBytes} bytes: got more`, { connection: "close" });
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) {
    await request.body?.cancel();
    throw tooLarge();
  }
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  let isLate = false;
  const stopWaiting = timeout === 0 ? () => {} : after(timeout, () => {
    isLate = true;
    void reader.cancel().catch(() => {}); // ends the read that waits
  });
  try {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) throw problem(408, `The body must come within ${timeout} ms`, { connection: "close" });
      if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
      length += value.byteLength;
      if (length > maxBytes) {
        void reader.cancel().catch(() => {});
        throw tooLarge();
      }
      chunks.push(new Uint8Array(value));
    }
  } finally {
    stopWaiting();
  }
}

/**
 * The fields of a form, in the body or the query.
 *
 * @throws {Response | TypeError} If the body is too large, or is no form.
 */
export async function readForm(request: Request, bodies: BodyLimits): Promise<URLSearchParams> {
  const fields = new URLSearchParams(new URL(request.url).search);
  const type = (request.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  const body = await readBody(request, bodies);
  if (body.length > 0 && type !== "application/x-www-form-urlencoded") {
    throw new TypeError(`The body must be application/x-www-form-urlencoded: got ${type || "no type"}`);
  }
  for (const [name, value] of new URLSearchParams(decode(body))) fields.set(name, value);
  return fields;
}

function publicationOf(body: Uint8Array<ArrayBuffer>, contentType: string): Publication {
  const type = contentType.split(";", 1)[0]!.trim().toLowerCase();
  const text = decode(body);
  // Without a "=" it is no form, but what `curl -d woof` sends as one
  if (type === "application/x-www-form-urlencoded" && text.includes("=")) {
    return formPublication(new URLSearchParams(text));
  }
  if (type === "application/json" || type.endsWith("+json")) {
    checkJson(text);
    return { data: text }; // as it came: parsed, a large number would lose its digits
  }
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

function checkJson(text: string): void {
  try {
    JSON.parse(text);
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
