import { createHash, timingSafeEqual } from "node:crypto";

/** Whether two secrets are the same: in constant time, whatever their lengths are. */
export function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
