import { constants, fstatSync } from "node:fs";
import { type FolderEntry, readFolder, readNamedLink } from "../../../../core/os/index.ts";
import type { ChainCursor } from "../../../../core/virtqueue/index.ts";
import { readIntoChain } from "./chain-read.ts";
import { attributesOf } from "./attributes.ts";
import type { Inode } from "./inode-numbers.ts";
import type { FsHandle } from "./handles.ts";
import type { FsNode } from "./nodes.ts";
import type { FuseReply, FuseRequest } from "./request.ts";
import type { FsSession } from "./session.ts";
import { direntPlusSize, direntSize, writeDirent } from "../directory-entry.ts";
import { Errno } from "../errno.ts";
import {
  attributesReply,
  entry,
  FileType,
  FUSE_ROOT_ID,
  getattrRequest,
  GETATTR_FH,
  openReply,
  openRequest,
  readRequest,
  releaseRequest,
  replyHeader,
  statfs,
} from "../layout.ts";
import { isDots } from "../names.ts";
import { FuseOpcode } from "../opcodes.ts";

/** The input of an operation. */
export interface Work {
  readonly session: FsSession;
  readonly request: FuseRequest;
  readonly reply: FuseReply;
  readonly chain: ChainCursor;
  /** Bytes of the driver's buffer behind the reply's header. */
  readonly room: number;
}

/** One request of the protocol, as the device serves it. */
export interface Operation {
  /** Bytes of arguments that the operation needs. */
  readonly args: number;
  /** Bytes of reply that the driver must have room for. */
  readonly reply: number;
  /** The reply went into the chain itself. */
  readonly isDirect?: true;
  /** Executes the operation. Returns the bytes of the reply behind its header, or `-errno`. */
  readonly run: (work: Work) => number;
}

/**
 * Seconds for which a driver may cache names and attributes: programs of the host may change the
 * folder.
 */
const VALID_SECONDS = 1n;
/** Largest READ, bytes: 256 pages of 64 KiB. */
const MAX_READ = 16 << 20;
/** Room for what the kernel lists at once, bytes; and what the longest entry needs. */
const MAX_LISTING = 32_768;
const MIN_LISTING = 512;
const folderBytes = new Uint8Array(MAX_LISTING);

const ACCESS_MODE = constants.O_WRONLY | constants.O_RDWR;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const NOT_LOOKED_UP = new Uint8Array(entry.size);

export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [FuseOpcode.Lookup, { args: 1, reply: entry.size, run: lookup }],
  [FuseOpcode.Getattr, { args: getattrRequest.size, reply: attributesReply.size, run: getattr }],
  [FuseOpcode.Readlink, { args: 0, reply: 1, run: readlink }],
  [FuseOpcode.Open, { args: openRequest.size, reply: openReply.size, run: open }],
  [FuseOpcode.Read, { args: readRequest.size, reply: 0, isDirect: true, run: read }],
  [
    FuseOpcode.Release,
    { args: releaseRequest.size, reply: 0, run: (work) => release(work, false) },
  ],
  [FuseOpcode.Opendir, { args: openRequest.size, reply: openReply.size, run: opendir }],
  [FuseOpcode.Readdir, { args: readRequest.size, reply: 0, run: (work) => list(work, false) }],
  [FuseOpcode.Readdirplus, { args: readRequest.size, reply: 0, run: (work) => list(work, true) }],
  [
    FuseOpcode.Releasedir,
    { args: releaseRequest.size, reply: 0, run: (work) => release(work, true) },
  ],
  [FuseOpcode.Statfs, { args: 0, reply: statfs.size, run: statFileSystem }],
  // Operations that would change the folder.
  ...[
    FuseOpcode.Setattr,
    FuseOpcode.Symlink,
    FuseOpcode.Mknod,
    FuseOpcode.Mkdir,
    FuseOpcode.Unlink,
    FuseOpcode.Rmdir,
    FuseOpcode.Rename,
    FuseOpcode.Link,
    FuseOpcode.Write,
    FuseOpcode.Setxattr,
    FuseOpcode.Removexattr,
    FuseOpcode.Create,
    FuseOpcode.Fallocate,
    FuseOpcode.Rename2,
    FuseOpcode.CopyFileRange,
    FuseOpcode.Tmpfile,
  ].map((opcode): [number, Operation] => [opcode, { args: 0, reply: 0, run: () => -Errno.EROFS }]),
]);

function lookup({ session, request, reply }: Work): number {
  const parent = folderOf(session, request);
  if (typeof parent === "number") return parent;
  const { name } = request;
  if (typeof name === "number") return name;
  const found = session.nodes.find(parent, name);
  if (typeof found === "number") return found;
  putEntry(session, reply, { at: 0, found });
  return entry.size;
}

/** An entry that was looked up. */
type Found = Exclude<ReturnType<FsSession["nodes"]["find"]>, number>;

function putEntry(
  { folder }: FsSession,
  reply: FuseReply,
  { at, found: { node, stats } }: { readonly at: number; readonly found: Found },
): void {
  reply.putAt(at, entry, {
    nodeid: BigInt(node.id),
    // Numbers of nodes are never used again: they need no generations.
    generation: 0n,
    entryValid: VALID_SECONDS,
    attrValid: VALID_SECONDS,
    entryValidNsec: 0,
    attrValidNsec: 0,
    attr: attributesOf(stats, folder.inodes),
  });
}

function getattr({ session, request, reply }: Work): number {
  const node = session.nodes.get(request.node);
  if (node === undefined) return -Errno.ESTALE;
  const { flags, fh } = request.args(getattrRequest);
  if ((flags & GETATTR_FH) !== 0 && !session.handles.has(number(fh), node.id)) return -Errno.EBADF;
  const stats = fstatSync(node.fd.fd, { bigint: true });
  const attr = attributesOf(stats, session.folder.inodes);
  return reply.put(attributesReply, { attrValid: VALID_SECONDS, attrValidNsec: 0, attr });
}

function readlink({ session, request, reply, room }: Work): number {
  const node = session.nodes.get(request.node);
  if (node === undefined) return -Errno.ESTALE;
  if (node.type !== FileType.Link) return -Errno.EINVAL;
  const length = readNamedLink(node.fd.fd, reply.body);
  return length > room ? -Errno.EINVAL : length;
}

function open(work: Work): number {
  const { session, request } = work;
  const node = session.nodes.get(request.node);
  if (node === undefined) return -Errno.ESTALE;
  const { flags } = request.args(openRequest);
  if ((flags & (ACCESS_MODE | constants.O_TRUNC)) !== 0) return -Errno.EROFS;
  if (node.type === FileType.Folder) return -Errno.EISDIR;
  if (node.type === FileType.Link) return -Errno.ELOOP;
  // A guest has its own devices, fifos and sockets; those of this machine are not for it.
  if (node.type !== FileType.File) return -Errno.EACCES;
  return openNode(work, node, false);
}

function opendir(work: Work): number {
  const node = folderOf(work.session, work.request);
  return typeof node === "number" ? node : openNode(work, node, true);
}

function openNode({ session, reply }: Work, node: FsNode, isFolder: boolean): number {
  const id = session.handles.open(node, isFolder);
  return id < 0 ? id : reply.put(openReply, { fh: BigInt(id), openFlags: 0 });
}

/** Short only at the end of the file: a driver takes it for that. */
function read({ session, request, chain, room }: Work): number {
  const { fh, offset, size } = request.args(readRequest);
  const handle = session.handles.get(number(fh), request.node, false);
  if (handle === undefined) return -Errno.EBADF;
  if (size > room || size > MAX_READ || offset > SAFE) return -Errno.EINVAL;
  return readIntoChain(handle.fd.fd, chain, replyHeader.size, size, Number(offset));
}

function release({ session, request }: Work, isFolder: boolean): number {
  const id = number(request.args(releaseRequest).fh);
  if (session.handles.get(id, request.node, isFolder) === undefined) return -Errno.EBADF;
  session.handles.close(id);
  return 0;
}

function list(work: Work, plus: boolean): number {
  const { session, request, reply } = work;
  const { fh, offset, size } = request.args(readRequest);
  const handle = session.handles.get(number(fh), request.node, true);
  if (handle === undefined) return -Errno.EBADF;
  const room = Math.min(size, work.room, reply.body.length);
  const length = Math.min(MAX_LISTING, Math.max(MIN_LISTING, room));
  const position = BigInt.asIntN(64, offset);
  const entries = readFolder(handle.fd.fd, position, folderBytes.subarray(0, length));
  if (typeof entries === "number") return entries;
  const itself = fstatSync(handle.fd.fd, { bigint: true });
  let at = 0;
  for (const found of entries) {
    const { name, next, type } = found;
    const bytes = plus ? direntPlusSize(name.length) : direntSize(name.length);
    if (at + bytes > room) break;
    if (plus) putFound(work, handle, name, at);
    const ino = session.folder.inodes.of(inodeOf(handle.node, itself, found));
    const dirent = { ino, off: BigInt.asUintN(64, next), type, name };
    writeDirent(reply.body, plus ? at + entry.size : at, dirent, reply.little);
    at += bytes;
  }
  return at === 0 && entries.length > 0 ? -Errno.EINVAL : at;
}

/** The root is its own parent: a driver sees nothing of the folder above it. */
function inodeOf(node: number, itself: Inode, { name, ino }: FolderEntry): Inode {
  const isAbove = node === Number(FUSE_ROOT_ID) && name.length === 2 && isDots(name);
  return isAbove ? itself : { dev: itself.dev, ino };
}

/** Looks an entry up and counts that; what cannot be looked up is listed all the same. */
function putFound({ session, reply }: Work, handle: FsHandle, name: Uint8Array, at: number): void {
  const parent = session.nodes.get(handle.node);
  const found = parent && !isDots(name) ? session.nodes.find(parent, name) : -Errno.ESTALE;
  if (typeof found === "number") reply.body.set(NOT_LOOKED_UP, at);
  else putEntry(session, reply, { at, found });
}

function statFileSystem({ session, reply }: Work): number {
  const { blocks, bfree, bavail, files, ffree, bsize } = session.folder.statfs();
  const size = Number(bsize);
  return reply.put(statfs, {
    blocks,
    bfree,
    bavail,
    files,
    ffree,
    bsize: size,
    namelen: 255,
    frsize: size,
  });
}

function folderOf({ nodes }: FsSession, request: FuseRequest): FsNode | number {
  const node = nodes.get(request.node);
  if (node === undefined) return -Errno.ESTALE;
  return node.type === FileType.Folder ? node : -Errno.ENOTDIR;
}

/** A handle's number; beyond what a number holds there is none. */
function number(value: bigint): number {
  return value > SAFE ? -1 : Number(value);
}
