import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The folder of this package's package.json, also for a module that is compiled or bundled to
 * another depth.
 */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** The path of a file of this package, for example `packagePath("bin", "vhost-user.js")`. */
export function packagePath(...segments: readonly string[]): string {
  return join(packageRoot, ...segments);
}

function findRoot(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return start;
  }
}
