// Node resolves what deno.json maps: "@std/assert" and the like, and the package's own name.
import { existsSync, readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const root = new URL("../../", import.meta.url);
const { name: own, imports, exports } = JSON.parse(readFileSync(new URL("deno.json", root), "utf8"));

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === own) return next(new URL(exports["."], root).href, context);
    if (specifier.startsWith(own + "/")) {
      return next(new URL(exports["." + specifier.slice(own.length)], root).href, context);
    }
    const npm = /^npm:((?:@[^/]+\/)?[^@/]+)@([^/]*)(\/.*)?$/.exec(imports[specifier] ?? "");
    if (npm === null) return next(specifier, context);
    const [, name, version, path = ""] = npm;
    // A package of two versions: the older one, which is named exactly, is found only beside its own dependencies
    const folder = new URL(`node_modules/.deno/${name.replace("/", "+")}@${version}/node_modules/`, root);
    return next(name + path, existsSync(folder) ? { ...context, parentURL: new URL("from.js", folder).href } : context);
  },
});
