/**
 * The standalone hub: topics over HTTP, for publishers and subscribers in any
 * language.
 *
 * @example A hub of one's own
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createHub } from "@freshet/sse/hub";
 *
 * await using hub = createHub();
 * const request = new Request("http://localhost/publish/pets/dogs", { method: "POST", body: "woof" });
 * const response = await hub.control(request);
 * assertEquals(response.status, 201);
 * ```
 *
 * @module
 */
import { Broker } from "../broker/broker.ts";
import { createHandler } from "../server/handler.ts";
import { page, PAGE_HEADERS } from "./page.ts";
import { problem } from "../server/problem.ts";
import { publish } from "./publish.ts";
import { topicOf } from "./routes.ts";

/** Options for {@linkcode createHub}. */
export interface HubOptions {
  /**
   * Where events go. The hub closes the one that it makes itself, never one
   * that it was given.
   *
   * @default {new Broker()}
   */
  readonly broker?: Broker | undefined;
  /**
   * The largest body that a publisher may send, in bytes.
   *
   * @default {1_048_576}
   */
  readonly maxBodyBytes?: number | undefined;
}

/** A hub: two handlers, to be served on one address or on two. */
export interface Hub extends AsyncDisposable {
  /** For everybody: `GET /subscribe/<topic…>` and the page at `/`. */
  readonly public: (request: Request, info?: unknown) => Promise<Response>;
  /** For publishers: `POST /publish/<topic…>`. */
  readonly control: (request: Request, info?: unknown) => Promise<Response>;
  /** Ends every stream, and the broker that the hub made. May be called again. */
  close(): Promise<void>;
}

/**
 * Makes a hub.
 *
 * - `GET /subscribe/pets` hears `pets` and all below, such as `pets/dogs`. It
 *   resumes by `Last-Event-ID`.
 * - `POST /publish/pets/dogs` publishes the body: text, JSON, or a form with
 *   `data`, `event`, `id` and `retry`. It answers 201 and the event's ID.
 * - `GET /` is a page that shows events and publishes.
 *
 * Neither handler asks who calls: serve them where only those come who may.
 *
 * @param options The broker, the bounds.
 * @returns Its handlers.
 */
export function createHub(options: HubOptions = {}): Hub {
  const { broker = new Broker(), maxBodyBytes = 1 << 20 } = options;
  const subscribe = createHandler(broker, {
    // The segments of a path hold no *, as topics hold none: this names one topic and all below
    topics: (request) => {
      const topic = topicOf(request, "/subscribe/");
      return topic instanceof Response ? topic : `${topic}/**`;
    },
  });
  return {
    // deno-lint-ignore require-await
    async public(request, info) {
      const { pathname } = new URL(request.url);
      if (pathname.startsWith("/subscribe/")) return subscribe(request, info);
      if (pathname !== "/") return problem(404, `There is nothing at this path: got ${pathname}`);
      if (request.method !== "GET" && request.method !== "HEAD") {
        return problem(405, `The page answers GET: got ${request.method}`, { allow: "GET, HEAD" });
      }
      return new Response(request.method === "HEAD" ? null : page, { headers: PAGE_HEADERS });
    },
    // deno-lint-ignore require-await
    async control(request) {
      const { pathname } = new URL(request.url);
      if (!pathname.startsWith("/publish/")) return problem(404, `There is nothing at this path: got ${pathname}`);
      return publish(broker, request, maxBodyBytes);
    },
    async close() {
      if (options.broker === undefined) await broker.close();
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}
