/** The form of the IDs that our stores make: the log's random part and a position. */
export const STORE_ID: RegExp = /^~([a-z]{8})\.(0|[1-9][0-9]{0,15})$/;

/** What no publisher may give as an ID: the form above, and what logs of several partitions will need. */
export const RESERVED_ID: RegExp = /^~[a-z]{8}\.[0-9A-Za-z_,-]+$/;

const EPOCH_LETTERS = 8;

/** The ID of a position in a log. */
export function storeId(epoch: string, position: number): string {
  return `~${epoch}.${position}`;
}

/** The random part of a log's IDs, made with it: those of another log are unknown, not mistaken. */
export function newEpoch(): string {
  let letters = "";
  while (letters.length < EPOCH_LETTERS) {
    for (const byte of crypto.getRandomValues(new Uint8Array(EPOCH_LETTERS))) {
      // 234 is 9 * 26: no letter is likelier
      if (byte < 234 && letters.length < EPOCH_LETTERS) letters += String.fromCharCode(0x61 + byte % 26);
    }
  }
  return letters;
}
