import { existsSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { clean, Ledger, serverDefaults } from "../../../peers/index.ts";
import type { CommonOptions, Context } from "../../context.ts";

export interface CleanOptions extends CommonOptions {
  readonly socket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly log?: string | undefined;
  readonly all?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly json?: true | undefined;
}

export async function runClean(options: CleanOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  const { all = false, dryRun = false } = options;
  const paths = {
    socket: resolve(options.socket ?? (process.env["SOCKET_PATH"] || serverDefaults.socket)),
    pidFile: resolve(options.pidFile ?? serverDefaults.pidFile),
    log: resolve(options.log ?? serverDefaults.log),
  };
  const report = await clean(Ledger.open(), { dryRun, caches: all, paths, signal });
  const removed = [...report.removed];
  if (all) {
    for (const folder of buildOutput()) {
      if (!dryRun) rmSync(folder, { recursive: true, force: true });
      removed.push(folder);
    }
  }
  if (options.json) output.json({ dryRun, removed, left: report.left });
  else {
    for (const what of removed) output.print(`${dryRun ? "would remove" : "removed"}: ${what}`);
    for (const { what, reason } of report.left) output.print(`left alone: ${what}: ${reason}`);
    if (removed.length + report.left.length === 0) output.print("nothing to clean");
  }
  // What was begun is finished first.
  signal.throwIfAborted();
}

/** Only in a checkout can it be built again: elsewhere it is the program itself. */
function buildOutput(): string[] {
  let root = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(root, "package.json")) && root !== dirname(root)) root = dirname(root);
  const isCheckout = ["package.json", "tsconfig.json", "src", "native"].every((name) =>
    existsSync(join(root, name)),
  );
  if (!isCheckout || !existsSync(join(root, ".git"))) return [];
  return ["dist", "build"].map((name) => join(root, name)).filter((path) => existsSync(path));
}
