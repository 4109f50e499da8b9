import { readFileSync } from "node:fs";
import { packagePath } from "../../core/os/package-path.ts";

/** The package's version. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(packagePath("package.json"), "utf8"));
  return String((manifest as { version: unknown }).version);
}
