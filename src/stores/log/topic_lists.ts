/** Reads lists of topics from JSON. Events of the same topics often come one after the other: they share one list. */
export class TopicLists {
  #text = "[]";
  #topics: readonly string[] = [];

  of(text: string): readonly string[] {
    if (this.#text !== text) {
      this.#topics = JSON.parse(text);
      this.#text = text;
    }
    return this.#topics;
  }
}
