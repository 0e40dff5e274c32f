import { checkEventType, checkRetry } from "../wire/event.ts";
import type { SubscribeOptions } from "./subscriber.ts";

const OVERFLOWS: readonly unknown[] = [undefined, "replay", "close", "drop-oldest", "conflate"];

/**
 * Refuses options that a subscriber cannot keep to.
 *
 * @throws {TypeError | RangeError} If one is not valid.
 */
export function checkSubscribeOptions(options: SubscribeOptions): void {
  const { start, maxBufferedBytes, overflow, key, retry, gapEvent, closeEvent, lastEventId, unknownId } = options;
  if (lastEventId !== undefined && typeof lastEventId !== "string") {
    throw refused("lastEventId", "a string", typeof lastEventId);
  }
  if (unknownId !== undefined && unknownId !== "all" && unknownId !== "start") {
    throw refused("unknownId", `"all" or "start"`, JSON.stringify(unknownId));
  }
  if (maxBufferedBytes !== undefined && !(typeof maxBufferedBytes === "number" && maxBufferedBytes >= 1)) {
    throw new RangeError(`Cannot subscribe as maxBufferedBytes must be a number >= 1: got ${maxBufferedBytes}`);
  }
  if (!OVERFLOWS.includes(overflow)) {
    throw refused("overflow", `"replay", "close", "drop-oldest" or "conflate"`, JSON.stringify(overflow));
  }
  if (key !== undefined && overflow !== "conflate") {
    throw refused("key", `left out unless overflow is "conflate"`, overflow);
  }
  checkKinds(options);
  if (retry !== undefined) checkRetry(retry);
  for (const type of [gapEvent, closeEvent]) if (typeof type === "string") checkEventType(type);
  checkStart(start);
}

function checkKinds(options: SubscribeOptions): void {
  for (const name of ["key", "filter", "map", "snapshot"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "function") throw refused(name, "a function", typeof value);
  }
  for (const name of ["gapEvent", "closeEvent"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && value !== false && typeof value !== "string") {
      throw refused(name, "a string or false", value === null ? "null" : typeof value);
    }
  }
  const { checkpoints, signal } = options as { checkpoints: unknown; signal: unknown };
  if (checkpoints !== undefined && typeof checkpoints !== "boolean") {
    throw refused("checkpoints", "true or false", typeof checkpoints);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw refused("signal", "an AbortSignal", signal === null ? "null" : typeof signal);
  }
}

function checkStart(start: SubscribeOptions["start"]): void {
  if (start === undefined || start === "tail" || start === "all") return;
  if (typeof start === "object" && start !== null) {
    if ("last" in start && Number.isSafeInteger(start.last) && start.last >= 1) return;
    if ("since" in start && !Number.isNaN(Number(start.since))) return;
  }
  throw refused("start", `"tail", "all", { last: an integer >= 1 } or { since: a date }`, JSON.stringify(start));
}

function refused(option: string, what: string, got: unknown): TypeError {
  return new TypeError(`Cannot subscribe as ${option} must be ${what}: got ${got}`);
}
