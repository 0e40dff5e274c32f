import { Buffer } from "node:buffer";

/** Takes an HTTP/1 response apart, as strictly as RFC 9112: nothing may follow its end. */
export class HttpBody {
  status = 0;
  /** Whether the end has come: a body without chunks and without a length ends with its connection. */
  hasEnded = false;
  readonly #onBody: (bytes: Uint8Array) => void;
  #state: "head" | "size" | "chunk" | "after-chunk" | "trailer" | "counted" | "unframed" = "head";
  #text = "";
  #left = 0;

  constructor(onBody: (bytes: Uint8Array) => void) {
    this.#onBody = onBody;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.hasEnded) {
        const more = Buffer.from(bytes.subarray(at, at + 80)).toString("latin1");
        throw new Error(`bytes after the end of the response: ${JSON.stringify(more)}`);
      }
      if (this.#state === "unframed") return this.#onBody(bytes.subarray(at));
      if (this.#state === "chunk" || this.#state === "counted") {
        const part = bytes.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        this.#onBody(part);
        if (this.#left === 0) this.#onLast();
        continue;
      }
      this.#text += String.fromCharCode(bytes[at++]!);
      if (this.#text.endsWith(this.#state === "head" ? "\r\n\r\n" : "\r\n")) this.#onText();
    }
  }

  #onLast(): void {
    if (this.#state === "chunk") this.#state = "after-chunk";
    else this.hasEnded = true;
  }

  #onText(): void {
    const text = this.#text;
    this.#text = "";
    switch (this.#state) {
      case "head":
        return this.#onHead(text);
      case "size":
        if (!/^[0-9a-f]+\r\n$/i.test(text)) throw new Error(`not the size of a chunk: ${JSON.stringify(text)}`);
        this.#left = parseInt(text, 16);
        this.#state = this.#left === 0 ? "trailer" : "chunk";
        return;
      case "after-chunk":
        if (text !== "\r\n") throw new Error(`not the end of a chunk: ${JSON.stringify(text)}`);
        this.#state = "size";
        return;
      default:
        this.hasEnded = text === "\r\n";
    }
  }

  #onHead(text: string): void {
    this.status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? NaN);
    const [, length] = /^content-length: *(\d+)\r$/im.exec(text) ?? [];
    if (/^transfer-encoding: *chunked\r$/im.test(text)) this.#state = "size";
    else if (length === undefined) this.#state = "unframed";
    else {
      this.#state = "counted";
      this.#left = Number(length);
      this.hasEnded = this.#left === 0;
    }
  }
}
