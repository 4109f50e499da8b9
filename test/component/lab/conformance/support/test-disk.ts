import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Content, writeImage } from "../../../../support/disk-content.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";

/** A disk of a test. */
export interface TestDisk {
  readonly storage: BlockStorage;
  /** A path that leads to its file, which has no name; undefined without a file. */
  readonly path?: string;
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
  return diskOnFile(size, content, constants.O_RDWR | constants.O_DIRECT);
}

/** A file that is not open with O_DIRECT. */
export function fileDisk(size: number): TestDisk {
  return diskOnFile(size, "noise", constants.O_RDWR);
}

function diskOnFile(size: number, content: Content, flags: number): TestDisk {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-direct-"));
  const path = join(folder, "disk.img");
  writeImage(path, size, content);
  const fd = openSync(path, flags);
  // The name is not needed any more.
  rmSync(folder, { recursive: true });
  const storage = BlockStorage.borrow(fd, size, { readOnly: false, isNull: false });
  return { storage, path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
}
