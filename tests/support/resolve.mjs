// Node resolves what deno.json maps: "@std/assert" and the like, and the package's own name.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const root = new URL("../../", import.meta.url);
const { name, imports, exports } = JSON.parse(readFileSync(new URL("deno.json", root), "utf8"));

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === name) return next(new URL(exports["."], root).href, context);
    if (specifier.startsWith(name + "/")) {
      return next(new URL(exports["." + specifier.slice(name.length)], root).href, context);
    }
    const npm = /^npm:((?:@[^/]+\/)?[^@/]+)@[^/]*(\/.*)?$/.exec(imports[specifier] ?? "");
    return npm === null ? next(specifier, context) : next(npm[1] + (npm[2] ?? ""), context);
  },
});
