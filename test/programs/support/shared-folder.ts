import { randomBytes } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const BIG_BYTES = 10 << 20;
export const MANY = 1000;

/**
 * A folder to share: a file of 10 MiB, a folder of 1000 entries, names that are not text, links that
 * stay inside and links that would lead out.
 */
export function makeSharedFolder(parent: string): { path: string; big: Uint8Array } {
  const path = join(parent, "shared");
  const big = randomBytes(BIG_BYTES);
  mkdirSync(join(path, "many"), { recursive: true });
  mkdirSync(join(path, "inner", "deep"), { recursive: true });
  writeFileSync(join(path, "big"), big);
  writeFileSync(join(path, "inner", "deep", "note"), "hello from the host\n");
  for (let i = 0; i < MANY; i += 1) writeFileSync(join(path, "many", `entry-${i}`), "");
  writeFileSync(join(path, "日本語"), "x");
  writeFileSync(Buffer.concat([Buffer.from(`${path}/raw-`), Buffer.from([0xff, 0xfe])]), "y");
  writeFileSync(join(parent, "secret"), "what the guest must not read\n");
  symlinkSync("inner/deep/note", join(path, "inside"));
  symlinkSync("../secret", join(path, "up"));
  symlinkSync("/etc/secret", join(path, "absolute"));
  symlinkSync("..", join(path, "above"));
  return { path, big };
}
