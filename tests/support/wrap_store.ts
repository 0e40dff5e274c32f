import type { ReplayStore } from "../../mod.ts";

/** A store that does what a test tells it, and the rest as another does. */
export function wrapStore(store: ReplayStore, own: Partial<ReplayStore>): ReplayStore {
  return {
    append: (events) => store.append(events),
    read: (after, options) => store.read(after, options),
    tail: (handlers) => store.tail(handlers),
    idAt: (position) => store.idAt(position),
    locate: (id, topics) => store.locate(id, topics),
    seek: (target) => store.seek(target),
    removed: (topics) => store.removed(topics),
    close: () => store.close(),
    ...own,
  };
}
