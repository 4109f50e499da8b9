import { existsSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { packagePath } from "../../../../core/os/index.ts";
import {
  checkOwner,
  clean,
  currentOwner,
  Ledger,
  serverDefaults,
} from "../../../../lab/programs/index.ts";
import type { CommonOptions, Context } from "../../context.ts";

export interface CleanOptions extends CommonOptions {
  readonly socket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly log?: string | undefined;
  readonly owner?: string | undefined;
  readonly allOwners?: true | undefined;
  readonly all?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly json?: true | undefined;
}

const HEAD = { schemaVersion: 1, kind: "clean" } as const;

export async function runClean(options: CleanOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  const { all = false, dryRun = false } = options;
  const paths = {
    socket: resolve(options.socket ?? (process.env["SOCKET_PATH"] || serverDefaults.socket)),
    pidFile: resolve(options.pidFile ?? serverDefaults.pidFile),
    log: resolve(options.log ?? serverDefaults.log),
  };
  const owner = options.allOwners ? null : ownerOf(options);
  const report = await clean(Ledger.open(), { dryRun, caches: all, owner, paths, signal });
  const removed = [...report.removed];
  if (all) {
    for (const folder of buildOutput()) {
      if (!dryRun) rmSync(folder, { recursive: true, force: true });
      removed.push({ what: folder, owner: null });
    }
  }
  if (options.json) output.json({ ...HEAD, dryRun, owner, removed, left: report.left });
  else {
    if (dryRun) output.print(owner === null ? "all owners" : `owner: ${owner}`);
    for (const { what, owner: from } of removed) {
      const whose = from === null ? "" : ` (owner ${from})`;
      output.print(dryRun ? `would remove: ${what}${whose}` : `removed: ${what}`);
    }
    for (const { what, reason } of report.left) output.print(`left alone: ${what}: ${reason}`);
    if (removed.length + report.left.length === 0) output.print("nothing to clean");
  }
  // What was begun is finished first.
  signal.throwIfAborted();
}

function ownerOf({ owner }: CleanOptions): string {
  return owner === undefined ? currentOwner() : checkOwner(owner, "--owner");
}

/**
 * Returns the build output of a checkout, which can be built again; in an installed package it is
 * the program itself.
 */
function buildOutput(): string[] {
  const parts = ["package.json", "tsconfig.json", "src", "native", ".git"];
  if (!parts.every((name) => existsSync(packagePath(name)))) return [];
  return ["dist", "build"].map((name) => packagePath(name)).filter((path) => existsSync(path));
}
