import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** The checksum of a file, in hexadecimal digits. */
export function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
