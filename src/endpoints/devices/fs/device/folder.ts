import { type BigIntStatsFs, fstatSync, statfsSync } from "node:fs";
import { UsageError } from "../../../../core/base/index.ts";
import {
  nameEntry,
  nameFolder,
  openNamed,
  OwnedFd,
  systemError,
} from "../../../../core/os/index.ts";
import { Errno } from "../errno.ts";
import { isEntryName } from "../names.ts";
import { InodeNumbers } from "./inode-numbers.ts";

/**
 * Default limit on open descriptors of all sessions together: a looked-up entry and an open file
 * take one each.
 */
const DEFAULT_DESCRIPTORS = 65_536;

export interface SharedFolderOptions {
  /**
   * Descriptors that all sessions together may hold; beyond it a look-up is ENFILE and an open
   * EMFILE. Default 65,536. It must leave the process some for sockets and rings.
   */
  readonly maxDescriptors?: number | undefined;
}

/**
 * The folder that file system devices share with their guests, read-only. Its entries are opened by
 * descriptors, one name at a time and without following symbolic links: whatever a guest requests,
 * and whatever is renamed or exchanged meanwhile, a name is looked up only in the folder that was
 * found before.
 *
 * A folder that the host moves out of the tree stays visible to a guest that has it open, as
 * descriptors follow it.
 *
 * @example
 * ```ts
 * import { SharedFolder } from "vhost-user/devices/fs";
 *
 * const folder = SharedFolder.open(".", { maxDescriptors: 100 });
 * const file = folder.find(folder.root, Buffer.from("hello.txt"));
 * if (typeof file === "number") console.log(`errno ${file}`);
 * else folder.release(file);
 * folder.close();
 * ```
 */
export class SharedFolder {
  /** Names the folder; not open for anything. */
  readonly root: OwnedFd;
  /** Limit on open descriptors of all sessions together. */
  readonly maxDescriptors: number;
  /** The inode numbers that drivers see. */
  readonly inodes: InodeNumbers;
  #descriptors = 0;

  private constructor(root: OwnedFd, maxDescriptors: number) {
    this.root = root;
    this.inodes = new InodeNumbers(fstatSync(root.fd, { bigint: true }).dev);
    this.maxDescriptors = maxDescriptors;
  }

  /**
   * @throws {UsageError} `maxDescriptors` is not a whole number above 0
   * @throws {SystemError} of open(2), e.g. ENOENT, ENOTDIR, EACCES
   */
  static open(path: string, options: SharedFolderOptions = {}): SharedFolder {
    const { maxDescriptors = DEFAULT_DESCRIPTORS } = options;
    if (!Number.isSafeInteger(maxDescriptors) || maxDescriptors < 1) {
      throw new UsageError(`maxDescriptors must be a whole number above 0, not ${maxDescriptors}`);
    }
    const fd = nameFolder(path);
    if (fd < 0) throw systemError(fd, "open", path);
    return new SharedFolder(new OwnedFd(fd), maxDescriptors);
  }

  /** Descriptors that sessions hold. */
  get descriptors(): number {
    return this.#descriptors;
  }

  /** Names an entry of a folder; `-errno` when the name is not valid, does not exist, or exceeds the limit. */
  find(folder: OwnedFd, name: Uint8Array): OwnedFd | number {
    if (!isEntryName(name)) return -Errno.EINVAL;
    return this.#take(Errno.ENFILE, () => nameEntry(folder.fd, name));
  }

  /** Opens the result of {@link find} for reading. The caller has checked its type. */
  open(named: OwnedFd, folder: boolean): OwnedFd | number {
    return this.#take(Errno.EMFILE, () => openNamed(named.fd, folder));
  }

  /** Closes what {@link find} or {@link open} gave. */
  release(fd: OwnedFd): void {
    fd.close();
    this.#descriptors -= 1;
  }

  /**
   * Returns the figures of the file system that contains the folder.
   *
   * @throws Node's error of statfs(2)
   */
  statfs(): BigIntStatsFs {
    return statfsSync(`/proc/self/fd/${this.root.fd}`, { bigint: true });
  }

  /** The sessions must have ended. Idempotent. */
  close(): void {
    this.root.close();
  }

  #take(full: number, open: () => number): OwnedFd | number {
    if (this.#descriptors >= this.maxDescriptors) return -full;
    const fd = open();
    if (fd < 0) return fd;
    this.#descriptors += 1;
    return new OwnedFd(fd);
  }
}
