import {
  closeSync,
  constants,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";

/** What a disk holds: holes, zeroes that are written, or noise. */
export type Content = "holes" | "zeroes" | "noise";
export const CONTENTS: readonly Content[] = ["holes", "zeroes", "noise"];

/** A disk of a test. */
export interface TestDisk {
  readonly storage: BlockStorage;
  close(): void;
}

export function memoryDisk(size: number, readOnly: boolean): TestDisk {
  const storage = BlockStorage.memory(size, { readOnly });
  return { storage, close: () => storage.close() };
}

/**
 * A file that is open with O_DIRECT: addresses of guest memory go to pread(2) and pwrite(2), as in
 * QEMU's contrib/vhost-user-blk, and those that are not aligned are refused with EINVAL.
 */
export function directDisk(size: number, content: Content): TestDisk {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-direct-"));
  const path = join(folder, "disk.img");
  writeImage(path, size, content);
  const fd = openSync(path, constants.O_RDWR | constants.O_DIRECT);
  // The name is not needed any more.
  rmSync(folder, { recursive: true });
  const storage = BlockStorage.borrow(fd, size, { readOnly: false, isNull: false });
  return { storage, close: () => closeSync(fd) };
}

/** Makes an image. */
export function writeImage(path: string, size: number, content: Content): void {
  writeFileSync(path, content === "noise" ? randomBytes(size) : Buffer.alloc(size));
  if (content !== "holes") return;
  const fd = openSync(path, constants.O_RDWR);
  ftruncateSync(fd, 0);
  ftruncateSync(fd, size);
  closeSync(fd);
}
