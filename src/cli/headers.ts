import { type Options, type OptionSpecs, UsageError } from "./options.ts";

/** Options of commands that ask a hub. */
export const TOKEN_SPECS: OptionSpecs = {
  header: { value: "'NAME: VALUE'", multiple: true, help: "A header to send" },
  "token-file": { value: "FILE", isSecretFile: true, help: "A token to send" },
};

/**
 * The headers that were asked for.
 *
 * @throws {UsageError} If one is of another form.
 */
export function headersOf(options: Options): Headers {
  const headers = new Headers();
  for (const header of options.list("header")) {
    const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(header) ?? [];
    if (name === undefined) throw new UsageError(`--header must be 'NAME: VALUE': got ${header}`);
    headers.append(name, value!);
  }
  const token = options.file("token-file");
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return headers;
}
