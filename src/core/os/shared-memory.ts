import { fstatSync, ftruncateSync } from "node:fs";
import { EnvironmentError, UsageError } from "../base/index.ts";
import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno } from "./system-error.ts";

/** Flags of `memfd_create(2)`. */
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;

/** `F_SEAL_*` of `fcntl(2)`. */
export const Seal = {
  /** Forbids further seals. */
  Seal: 1,
  Shrink: 2,
  Grow: 4,
  Write: 8,
} as const;

/**
 * Returns the seals of a file; undefined for one that cannot be sealed.
 *
 * @throws SystemError
 */
export function sealsOf(fd: number): number | undefined {
  const result = addon().getSeals(fd);
  return result === -Errno.EINVAL ? undefined : check(result, "fcntl");
}

function makeMemfd(name: string, flags: number): OwnedFd {
  const all = MFD_CLOEXEC | MFD_ALLOW_SEALING | flags;
  return new OwnedFd(check(addon().memfdCreate(name, all), "memfd_create"));
}

/**
 * An anonymous file to share with a peer. Its size is sealed: a process that receives the
 * descriptor cannot remove pages that another process has mapped.
 */
export class SharedMemory {
  readonly fd: OwnedFd;
  /** Size in bytes. */
  readonly size: number;

  private constructor(fd: OwnedFd, size: number) {
    this.fd = fd;
    this.size = size;
  }

  /**
   * Creates zero-filled memory; the system allocates pages when they are first accessed.
   *
   * @param name for `/proc/<pid>/maps`, at most 249 bytes
   * @throws UsageError for a size that is not a whole number from 1
   * @throws SystemError e.g. `EMFILE`
   */
  static create(name: string, sizeBytes: number): SharedMemory {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
      throw new UsageError(
        `the size of shared memory must be a whole number of bytes from 1, not ${sizeBytes}`,
      );
    }
    return SharedMemory.#seal(makeMemfd(name, 0), sizeBytes);
  }

  /**
   * Creates zero-filled memory of huge pages, of the system's default size. Mapping reserves them,
   * and fails with `ENOMEM` if there are too few.
   *
   * @param sizeBytes rounded up to whole huge pages
   * @throws EnvironmentError this kernel has no huge pages
   */
  static createHuge(name: string, sizeBytes: number): SharedMemory {
    let fd: OwnedFd;
    try {
      fd = makeMemfd(name, MFD_HUGETLB);
    } catch (cause) {
      throw new EnvironmentError(
        "this kernel has no huge pages; use one with CONFIG_HUGETLBFS, or leave hugePages out",
        {
          cause,
        },
      );
    }
    const { blksize } = fstatSync(fd.fd);
    return SharedMemory.#seal(fd, Math.ceil(sizeBytes / blksize) * blksize);
  }

  static #seal(fd: OwnedFd, sizeBytes: number): SharedMemory {
    try {
      ftruncateSync(fd.fd, sizeBytes);
      check(addon().addSeals(fd.fd, Seal.Shrink | Seal.Grow | Seal.Seal), "fcntl");
      return new SharedMemory(fd, sizeBytes);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** Closes the descriptor. Mappings stay. Idempotent. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
