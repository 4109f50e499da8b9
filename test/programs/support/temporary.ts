import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A folder of this test alone, removed with it. Its path leaves room for a socket's name. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "vu-test-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A raw disk image of `sizeBytes` that begins with `content` and else is zero. */
export function diskImage(
  directory: string,
  sizeBytes: number,
  content: Uint8Array = new Uint8Array(),
): string {
  const path = join(directory, "disk.img");
  const bytes = Buffer.alloc(sizeBytes);
  bytes.set(content);
  writeFileSync(path, bytes);
  return path;
}

/** As sha256sum prints it. */
export function sha256OfFile(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
