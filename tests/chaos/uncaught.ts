import process from "node:process";

/** What nobody caught, as text. */
export const caught: string[] = [];

/** Collects what nobody catches, in place of the end of the process. */
export function catchAll(): void {
  if ("Deno" in globalThis) {
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      caught.push(told((event as Event & { reason: unknown }).reason));
    });
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      caught.push(told((event as Event & { error: unknown }).error));
    });
  } else {
    process.on("uncaughtException", (error) => caught.push(told(error)));
    process.on("unhandledRejection", (error) => caught.push(told(error)));
  }
}

function told(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
