const encoder = new TextEncoder();

/** The subjects of a log. Each kind has a token of its own, so that no topic looks like anything else. */
export class Subjects {
  readonly #prefix: string;

  constructor(name: string, root: string = "freshet") {
    this.#prefix = `${root}.${name}`;
  }

  /** All of them. */
  get all(): string {
    return `${this.#prefix}.>`;
  }

  /** Of an entry that says that some before it are lost. */
  get loss(): string {
    return `${this.#prefix}.l`;
  }

  /** Of an event of one topic: `pets/dogs` is `….t.pets.dogs`, which others may subscribe to too. */
  topic(topic: string): string {
    return `${this.#prefix}.t.${topic.split("/").map(token).join(".")}`;
  }

  /** Of an event with an own ID, and the set of topics that it belongs to: no two are retained with the same. */
  own(id: string, set: string): string {
    return `${this.#prefix}.i.${token(id)}.${hashOf(set)}`;
  }

  /** Of all events with an own ID. */
  ownId(id: string): string {
    return `${this.#prefix}.i.${token(id)}.*`;
  }

  /** Of an event of several topics: its own, so that no topic's limit removes it from the others. */
  several(unique: string): string {
    return `${this.#prefix}.m.${unique}`;
  }
}

/** One token: `A-Z a-z 0-9 _ -` as they are, other bytes as `=XX`, nothing at all as `=`. */
function token(segment: string): string {
  if (segment === "") return "=";
  if (/^[A-Za-z0-9_-]+$/.test(segment)) return segment;
  let text = "";
  for (const byte of encoder.encode(segment)) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9_-]/.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** A hash of 64 bits: a subject may not be as long as many topics are. */
function hashOf(text: string): string {
  let [a, b] = [0x9e3779b9, 0x7f4a7c15];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca6b) ^ (a >>> 15);
    b = Math.imul(b ^ unit, 0xc2b2ae35) ^ (b >>> 13);
  }
  return [a ^ (b >>> 16), b ^ (a >>> 16)].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}
