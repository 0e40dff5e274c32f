/** What the client looks at in a page, on runtimes that have none: whether it is shown, and what it tells of. */
export class FakePage extends EventTarget implements Disposable {
  visibilityState = "visible";
  readonly #original = {
    document: Object.getOwnPropertyDescriptor(globalThis, "document"),
    addEventListener: Object.getOwnPropertyDescriptor(globalThis, "addEventListener"),
  };

  constructor() {
    super();
    this.#define("document", { value: this });
    this.#define("addEventListener", { value: this.addEventListener.bind(this) });
  }

  show(visibilityState: "visible" | "hidden"): void {
    this.visibilityState = visibilityState;
    this.dispatchEvent(new Event("visibilitychange"));
  }

  [Symbol.dispose](): void {
    for (const [name, descriptor] of Object.entries(this.#original)) {
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
      else this.#define(name, descriptor);
    }
  }

  #define(name: string, descriptor: PropertyDescriptor): void {
    Object.defineProperty(globalThis, name, { ...descriptor, configurable: true });
  }
}
