/** Opens many event streams at once, in a process of its own: `many_clients.ts PORT COUNT`. Says when all have begun. */
import { connect } from "node:net";
import process from "node:process";

const [port, count] = process.argv.slice(2).map(Number) as [number, number];
let begun = 0;
let failed = 0;
for (let i = 0; i < count; i++) {
  const socket = connect({ port, host: "127.0.0.1" }, () => {
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  });
  let first = true;
  socket.on("data", (bytes: Uint8Array) => {
    if (!first) return;
    first = false;
    if (new TextDecoder().decode(bytes.subarray(0, 12)) === "HTTP/1.1 200") begun++;
    else failed++;
    if (begun + failed === count) console.log(JSON.stringify({ begun, failed }));
  });
  socket.on("error", () => {
    failed++;
    if (begun + failed === count) console.log(JSON.stringify({ begun, failed }));
  });
}
process.stdin.on("data", () => process.exit(0));
