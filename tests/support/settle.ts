/** Lets everything happen that waits for nothing but promises: no timer, no socket. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 100; i++) await undefined;
}
