import { SseError } from "../../errors.ts";
import { setOf } from "../own_ids.ts";
import type { AppendResult, NewEvent } from "../replay_store.ts";
import { RESERVED_ID, storeId } from "../store_id.ts";

/** An own ID and the set of topics that it belongs to, as one text whose first line is the ID; `""` if there is none. */
export function ownOf({ id, topics }: NewEvent): string {
  return id === undefined ? "" : `${id}\n${setOf(topics)}`;
}

/** Refuses an own ID whose form is the stores'. */
export function refusalOf(id: string | undefined): AppendResult | undefined {
  return id !== undefined && RESERVED_ID.test(id) ? taken(id, "IDs of this form are the store's") : undefined;
}

/** What becomes of an event whose ID another one of the same topics has. */
export function idTaken(id: string): AppendResult {
  return taken(id, "another event of the same topics has this ID");
}

/**
 * What became of a batch whose events have positions from the first on, one after the other.
 *
 * @param others Those that have none: by their index if they were there already, `-1 - index` if their ID is taken.
 */
export function resultsOf(
  batch: readonly NewEvent[],
  epoch: string,
  first: number,
  others: readonly number[],
): { readonly results: readonly AppendResult[]; readonly newest: number } {
  const without = new Set(others);
  let next = first;
  const results = batch.map(({ id }, i): AppendResult => {
    if (without.has(-1 - i)) return idTaken(id!);
    if (without.has(i)) return { id: id! };
    const position = next++;
    return { id: id ?? storeId(epoch, position) };
  });
  return { results, newest: next - 1 };
}

function taken(id: string, why: string): AppendResult {
  return { error: new SseError("id-taken", `Cannot publish as ${why}: got "${id}"`) };
}
