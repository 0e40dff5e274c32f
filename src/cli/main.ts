#!/usr/bin/env node
/**
 * The `freshet` command.
 *
 * @example Started from a shell
 * ```sh
 * deno run -A jsr:@freshet/sse/cli serve --dev
 * ```
 *
 * @module
 */
import process from "node:process";
import { run } from "./run.ts";

process.exitCode = await run(process.argv.slice(2));
