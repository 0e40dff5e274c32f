import { base64url, decodeJwt, decodeProtectedHeader } from "jose";
import process from "node:process";
import { Tokens } from "../hub/tokens.ts";
import { helpOf, type OptionSpecs, readOptions, UsageError } from "./options.ts";

const specs: OptionSpecs = {
  "new-secret": { help: "Makes a secret, not a token: 32 bytes at random" },
  "secret-file": { value: "FILE", isSecretFile: true, help: "The secret of HS256 tokens" },
  secret: { value: "TEXT", help: "The same in the command line, where other users of the machine can see it" },
  subscribe: { value: "PATTERN", multiple: true, help: "What it may subscribe to" },
  publish: { value: "PATTERN", multiple: true, help: "What it may publish to" },
  admin: { help: "It may see and end connections, and make tokens" },
  user: { value: "NAME", help: "Whose it is (sub)" },
  "user-id": { value: "NAME", help: "The user of a channel, for /events/" },
  channel: { value: "NAME", help: "The channel" },
  ttl: { value: "SECONDS", number: true, help: "How long it is valid (86400, a day)" },
  issuer: { value: "TEXT", help: "Its iss" },
  audience: { value: "TEXT", help: "Its aud" },
  algorithm: { value: "NAME", help: "What it is signed by: HS256, HS384 or HS512 (HS256)" },
  dev: { help: "The secret may be short, as that of serve --dev" },
  "allow-eternal-tokens": { help: "--explain takes a token without exp for valid, as serve does with it" },
  explain: {
    value: "TOKEN",
    help: "Says what a token holds, and with the secret whether it is valid; - reads standard input",
  },
};

export const tokenHelp: string = helpOf("freshet token [OPTIONS]", "Makes a token, or explains one.", specs);

/** A day, in seconds. */
const DAY = 86_400;

/** `freshet token`. */
export async function tokenCommand(args: readonly string[]): Promise<number> {
  const options = readOptions(specs, args);
  if (options.positionals.length > 0) throw new UsageError(`token takes options only: got ${options.positionals[0]}`);
  if (options.has("new-secret")) {
    process.stdout.write(newSecret() + "\n");
    return 0;
  }
  const secret = options.file("secret-file") ?? options.text("secret");
  const algorithm = options.text("algorithm");
  const tokens = secret === undefined ? undefined : new Tokens({
    secret,
    allowShortSecret: options.has("dev"),
    allowEternalTokens: options.has("allow-eternal-tokens"),
    ...(algorithm !== undefined && { algorithms: [algorithm] }),
    issuer: options.text("issuer"),
    audience: options.text("audience"),
  });
  const explained = options.text("explain");
  if (explained !== undefined) return await explain(explained === "-" ? await standardInput() : explained, tokens);
  if (tokens === undefined) throw new UsageError("A token is made with --secret-file or --secret");
  const [userId, channel] = [options.text("user-id"), options.text("channel")];
  if ((userId === undefined) !== (channel === undefined)) throw new UsageError("--user-id and --channel go together");
  const grants = {
    ...(options.list("subscribe").length > 0 && { subscribe: options.list("subscribe") }),
    ...(options.list("publish").length > 0 && { publish: options.list("publish") }),
    ...(options.has("admin") && { admin: true }),
  };
  const claims = {
    ...(options.text("user") !== undefined && { sub: options.text("user") }),
    ...(userId !== undefined && { userId, channel }),
    ...(Object.keys(grants).length > 0 && { freshet: grants }),
  };
  if (Object.keys(claims).length === 0) throw new UsageError("The token would allow nothing: say what it may");
  const token = await tokens.sign(claims, options.number("ttl", 1) ?? DAY);
  await tokens.verify(token); // a pattern that is none is told now, not by the hub
  process.stdout.write(token + "\n");
  return 0;
}

/** As text, which files, environments and other programs can hold. */
function newSecret(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
}

async function explain(token: string, tokens: Tokens | undefined): Promise<number> {
  let header;
  let claims;
  try {
    [header, claims] = [decodeProtectedHeader(token), decodeJwt(token)];
  } catch {
    throw new Error("This is no JSON Web Token");
  }
  let verdict = "not checked: no secret was given";
  let code = 0;
  if (tokens !== undefined) {
    try {
      await tokens.verify(token);
      verdict = "valid";
    } catch (error) {
      verdict = (error as Error).message;
      code = 1;
    }
  }
  const until = claims.exp === undefined ? "never" : new Date(claims.exp * 1_000).toISOString();
  process.stdout.write(JSON.stringify({ verdict, ends: until, header, claims }, null, 2) + "\n");
  return code;
}

async function standardInput(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) text += new TextDecoder().decode(chunk);
  return text.trim();
}
