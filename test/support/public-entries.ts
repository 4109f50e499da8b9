import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

/** One subpath of the package, and the source file that lists its names. */
export interface PublicEntry {
  /** As in an import, e.g. `vhost-user/protocol`. */
  readonly name: string;
  /** Below the root of the package, e.g. `src/public/protocol.ts`. */
  readonly path: string;
  readonly text: string;
}

/** Returns the entries that `exports` of package.json names. */
export function publicEntries(): PublicEntry[] {
  const manifest: { exports: Record<string, string | { default: string }> } = JSON.parse(
    readFileSync(join(packageRoot, "package.json"), "utf8"),
  );
  return Object.entries(manifest.exports).flatMap(([subpath, target]) => {
    if (typeof target === "string") return [];
    const path = target.default.replace("./dist/", "").replace(/\.js$/, ".ts");
    const text = readFileSync(join(packageRoot, path), "utf8");
    return [{ name: `vhost-user${subpath.slice(1)}`, path, text }];
  });
}

/** Returns the names that an entry exports, types included. */
export function exportedNames({ text }: PublicEntry): string[] {
  return [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gms)].flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((name) => name.trim().replace(/^type /, ""))
      .filter((name) => name !== ""),
  );
}
