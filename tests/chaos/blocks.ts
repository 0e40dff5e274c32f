/** A block of an event stream as it came, before a client makes an event of it: an ID without data is a block as well. */
export interface Block {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: string | undefined;
}

/** Takes an event stream apart: the test's own reading of § 9.2.6, for the bytes that we write (lines end in LF). */
export class Blocks {
  readonly #onBlock: (block: Block) => void;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #line = "";
  #type = "";
  #id: string | undefined;
  #data: string[] = [];

  constructor(onBlock: (block: Block) => void) {
    this.#onBlock = onBlock;
  }

  /** Whether a line or a block has begun that has not ended. */
  get isAmid(): boolean {
    return this.#line !== "" || this.#type !== "" || this.#id !== undefined || this.#data.length > 0;
  }

  push(bytes: Uint8Array): void {
    const lines = this.#decoder.decode(bytes, { stream: true }).split("\n");
    lines[0] = this.#line + lines[0]!;
    this.#line = lines.pop()!;
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = line.slice(0, colon);
    const value = line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "event") this.#type = value;
    else if (field === "id") this.#id = value;
    else if (field === "data") this.#data.push(value);
    else if (field !== "" && field !== "retry") {
      throw new Error(`torn: a line that no stream has: ${line.slice(0, 80)}`);
    }
  }

  #dispatch(): void {
    const block: Block = {
      type: this.#type,
      id: this.#id,
      data: this.#data.length === 0 ? undefined : this.#data.join("\n"),
    };
    this.#type = "";
    this.#id = undefined;
    this.#data = [];
    this.#onBlock(block);
  }
}
