import { constants } from "node:fs";
import { addon } from "./addon.ts";

/**
 * Access to entries of folders by descriptor, one name at a time. A single name that is opened
 * without following it cannot lead out of its folder, whatever another process does to the path
 * meanwhile.
 *
 * Negative results are `-errno`: a missing entry is an ordinary result and throws nothing.
 */

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/**
 * Names a file without opening it, so no driver, fifo or socket notices. Missing in Node's
 * constants.
 */
const O_PATH = 0o10000000;
const AT_FDCWD = -100;

/**
 * Opens a descriptor that only names an entry of any type, including a symbolic link itself.
 *
 * @param name one name: no '/', and neither "." nor ".."; the caller has checked
 */
export function nameEntry(folder: number, name: Uint8Array): number {
  return addon().openAt(folder, name, 0, name.length, O_PATH | O_NOFOLLOW);
}

/** Opens a descriptor that only names a folder given by its path; symbolic links are followed. */
export function nameFolder(path: string): number {
  const bytes = Buffer.from(path);
  return addon().openAt(AT_FDCWD, bytes, 0, bytes.length, O_PATH | O_DIRECTORY);
}

/**
 * Opens for reading the file that a descriptor of {@link nameEntry} names, even if the file was
 * renamed meanwhile. It uses /proc, as Linux has no other way to reopen an `O_PATH` descriptor.
 */
export function openNamed(fd: number, folder: boolean): number {
  const path = Buffer.from(`/proc/self/fd/${fd}`);
  const flags = O_RDONLY | O_NONBLOCK | (folder ? O_DIRECTORY : 0);
  return addon().openAt(AT_FDCWD, path, 0, path.length, flags);
}

/**
 * Writes the target of a symbolic link into `bytes`, without a NUL, and returns the number of
 * bytes.
 */
export function readNamedLink(fd: number, bytes: Uint8Array): number {
  return addon().readLink(fd, bytes, 0, bytes.length);
}

/** One entry of {@link readFolder}. */
export interface FolderEntry {
  readonly ino: bigint;
  /** The position behind this entry. */
  readonly next: bigint;
  /** `DT_*`: type bits of the mode, shifted right by 12; 0 if unknown. */
  readonly type: number;
  readonly name: Uint8Array;
}

/**
 * Reads entries of an open folder from a position on.
 *
 * @param position 0, or `next` of an entry
 * @param bytes buffer for the kernel, which limits the number of entries
 * @returns an empty list at the end
 */
export function readFolder(
  fd: number,
  position: bigint,
  bytes: Uint8Array,
): FolderEntry[] | number {
  const length = addon().readFolder(fd, position, bytes, 0, bytes.length);
  if (length < 0) return length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const entries: FolderEntry[] = [];
  // struct linux_dirent64: ino u64, off i64, reclen u16, type u8, name with its NUL.
  for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
    const start = at + 19;
    entries.push({
      ino: view.getBigUint64(at, true),
      next: view.getBigInt64(at + 8, true),
      type: view.getUint8(at + 18),
      name: bytes.slice(start, bytes.indexOf(0, start)),
    });
  }
  return entries;
}
