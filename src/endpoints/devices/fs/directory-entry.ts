import { counted } from "../../../core/base/index.ts";
import { ProtocolError } from "../../../core/base/errors/index.ts";
import { entry, FUSE_NAME_MAX, type FuseEntry } from "./layout.ts";
import { isDots, isEntryName } from "./names.ts";
import { struct, u32, u64, viewOf } from "./wire.ts";

/** One entry of a folder, as READDIR lists it. */
export interface DirectoryEntry {
  readonly ino: bigint;
  /** The offset behind this entry. */
  readonly off: bigint;
  /** Type bits of the mode, shifted right by 12; 0: unknown. */
  readonly type: number;
  readonly name: Uint8Array;
}

/** … as READDIRPLUS lists it: looked up, unless `entry.nodeid` is 0. */
export interface DirectoryEntryPlus extends DirectoryEntry {
  readonly entry: FuseEntry;
}

interface DirentHead extends Omit<DirectoryEntry, "name"> {
  readonly namelen: number;
}

/** struct fuse_dirent, without the name */
const head = struct<DirentHead>(24, { ino: u64(0), off: u64(8), namelen: u32(16), type: u32(20) });

/** Returns the bytes of an entry: names are padded to 8 bytes. */
export function direntSize(nameLength: number): number {
  return (head.size + nameLength + 7) & ~7;
}

/** Returns the bytes of an entry of READDIRPLUS. */
export function direntPlusSize(nameLength: number): number {
  return entry.size + direntSize(nameLength);
}

/** Writes an entry of {@link direntSize} bytes. */
export function writeDirent(
  bytes: Uint8Array,
  at: number,
  { name, ...dirent }: DirectoryEntry,
  little: boolean,
): void {
  head.write(viewOf(bytes), at, { ...dirent, namelen: name.length }, little);
  bytes.set(name, at + head.size);
  bytes.fill(0, at + head.size + name.length, at + direntSize(name.length));
}

/**
 * Takes a READDIR reply apart.
 *
 * @throws {ProtocolError} a name that is none, or one that leads out of the reply
 */
export function decodeDirents(reply: Uint8Array, little = true): DirectoryEntry[] {
  return decodeAll(reply, 0, (at) => readDirent(reply, at, little));
}

/**
 * Decodes the entries of READDIRPLUS.
 *
 * @throws what {@link decodeDirents} throws
 */
export function decodeDirentsPlus(reply: Uint8Array, little = true): DirectoryEntryPlus[] {
  return decodeAll(reply, entry.size, (at) => ({
    entry: entry.read(viewOf(reply), at, little),
    ...readDirent(reply, at + entry.size, little),
  }));
}

function decodeAll<T extends DirectoryEntry>(
  reply: Uint8Array,
  prefix: number,
  read: (at: number) => T,
): T[] {
  const entries: T[] = [];
  for (let at = 0; at < reply.length;) {
    if (reply.length - at < prefix + head.size) {
      throw direntError(
        `whole entries`,
        `${counted(reply.length - at, "byte")} behind the last one`,
      );
    }
    const found = read(at);
    entries.push(found);
    at += prefix + direntSize(found.name.length);
  }
  return entries;
}

function readDirent(reply: Uint8Array, at: number, little: boolean): DirectoryEntry {
  const { namelen, ...dirent } = head.read(viewOf(reply), at, little);
  const start = at + head.size;
  if (namelen === 0 || namelen > FUSE_NAME_MAX || namelen > reply.length - start) {
    throw direntError(
      `a name of 1 to ${FUSE_NAME_MAX} bytes inside of the reply`,
      counted(namelen, "byte"),
    );
  }
  const name = reply.slice(start, start + namelen);
  if (!isDots(name) && !isEntryName(name)) {
    throw direntError("a name without '/' and NUL", Buffer.from(name).toString("hex"));
  }
  return { ...dirent, name };
}

function direntError(expected: string, actual: string): ProtocolError {
  return new ProtocolError(`folder listing: expected ${expected}, got ${actual}`, {
    field: "name",
    expected,
    actual,
  });
}
