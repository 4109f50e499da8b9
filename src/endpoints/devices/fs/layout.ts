/**
 * File system device, VIRTIO 5.11: numbers and structures that driver and device share.
 *
 * Queue 0 (hiprio) takes FORGET and INTERRUPT, which nothing may hold up; queues from 1 on take all
 * else. A request is a FUSE message in a chain: readable {header, arguments}, writable {reply
 * header, reply}. How these bytes are cut into descriptors means nothing. Sizes and offsets are
 * those of `linux/fuse.h` 7.38.
 */
import { i32, nested, struct, u16, u32, u64 } from "./wire.ts";

/** Feature bits of the device (masks). */
export const FsFeature = {
  /** VIRTIO_FS_F_NOTIFICATION: queue 1 is for notifications */
  Notification: 1n << 0n,
} as const;

/** Version of FUSE that is spoken here: 7.31 to 7.38. */
export const FUSE_MAJOR = 7;
export const FUSE_MINOR = 38;
/** The oldest minor version of FUSE that virtio-fs has used. */
export const FUSE_MIN_MINOR = 31;
/** The root folder. */
export const FUSE_ROOT_ID = 1n;
/** Bytes of a name, without its NUL: FUSE_NAME_MAX of the Linux kernel. */
export const FUSE_NAME_MAX = 1024;
/** Pages of one request unless MAX_PAGES says otherwise: FUSE_DEFAULT_MAX_PAGES_PER_REQ. */
export const FUSE_DEFAULT_PAGES = 32;
/** Largest number in the error field of a reply header. */
export const MAX_ERRNO = 4095;

/** Flags of the INIT request and its reply. */
export const FuseInitFlag = {
  /** FUSE_ASYNC_READ: several reads of one file at once */
  AsyncRead: 1 << 0,
  /** FUSE_AUTO_INVAL_DATA: cached data is dropped when size or time of the file changed */
  AutoInvalData: 1 << 12,
  /** FUSE_DO_READDIRPLUS: READDIRPLUS is there */
  DoReaddirplus: 1 << 13,
  /** FUSE_READDIRPLUS_AUTO: and used where the driver thinks it pays */
  ReaddirplusAuto: 1 << 14,
  /** FUSE_PARALLEL_DIROPS: several lookups in one folder at once */
  ParallelDirops: 1 << 18,
  /** FUSE_MAX_PAGES: the reply's `maxPages` counts */
  MaxPages: 1 << 22,
} as const;

/** Flag of GETATTR: the handle is valid. */
export const GETATTR_FH = 1;

/** struct fuse_in_header: in front of every request. */
export interface RequestHeader {
  /** Bytes of the request, with this header. */
  readonly len: number;
  readonly opcode: number;
  /** The reply repeats it. */
  readonly unique: bigint;
  readonly nodeid: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}
export const requestHeader = struct<RequestHeader>(40, {
  len: u32(0),
  opcode: u32(4),
  unique: u64(8),
  nodeid: u64(16),
  uid: u32(24),
  gid: u32(28),
  pid: u32(32),
});

/** struct fuse_out_header: in front of every reply. */
export interface ReplyHeader {
  /** Bytes of the reply, with this header. */
  readonly len: number;
  /** 0, or `-errno`. */
  readonly error: number;
  readonly unique: bigint;
}
export const replyHeader = struct<ReplyHeader>(16, { len: u32(0), error: i32(4), unique: u64(8) });

/** struct fuse_init_in; 16 bytes before 7.36. */
export interface InitRequest {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
  readonly flags2: number;
}
export const initRequest = struct<InitRequest>(64, {
  major: u32(0),
  minor: u32(4),
  maxReadahead: u32(8),
  flags: u32(12),
  flags2: u32(16),
});
/** Bytes of an INIT request before 7.36. */
export const SHORT_INIT_REQUEST = 16;

/** struct fuse_init_out */
export interface InitReply {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
  readonly maxBackground: number;
  readonly congestionThreshold: number;
  readonly maxWrite: number;
  /** Granularity of times, nanoseconds. */
  readonly timeGran: number;
  readonly maxPages: number;
  readonly mapAlignment: number;
  readonly flags2: number;
}
export const initReply = struct<InitReply>(64, {
  major: u32(0),
  minor: u32(4),
  maxReadahead: u32(8),
  flags: u32(12),
  maxBackground: u16(16),
  congestionThreshold: u16(18),
  maxWrite: u32(20),
  timeGran: u32(24),
  maxPages: u16(28),
  mapAlignment: u16(30),
  flags2: u32(32),
});

/** struct fuse_attr */
export interface FuseAttributes {
  readonly ino: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Number of blocks of 512 bytes. */
  readonly blocks: bigint;
  /** Seconds since 1970, two's complement; so the next two. */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly atimensec: number;
  readonly mtimensec: number;
  readonly ctimensec: number;
  /** Type and permissions, as in stat(2). */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly flags: number;
}
export const attributes = struct<FuseAttributes>(88, {
  ino: u64(0),
  size: u64(8),
  blocks: u64(16),
  atime: u64(24),
  mtime: u64(32),
  ctime: u64(40),
  atimensec: u32(48),
  mtimensec: u32(52),
  ctimensec: u32(56),
  mode: u32(60),
  nlink: u32(64),
  uid: u32(68),
  gid: u32(72),
  rdev: u32(76),
  blksize: u32(80),
  flags: u32(84),
});

/** struct fuse_entry_out: what LOOKUP found. */
export interface FuseEntry {
  readonly nodeid: bigint;
  readonly generation: bigint;
  /** Seconds for which name and attributes may be cached; the fields below add nanoseconds. */
  readonly entryValid: bigint;
  readonly attrValid: bigint;
  readonly entryValidNsec: number;
  readonly attrValidNsec: number;
  readonly attr: FuseAttributes;
}
export const entry = struct<FuseEntry>(128, {
  nodeid: u64(0),
  generation: u64(8),
  entryValid: u64(16),
  attrValid: u64(24),
  entryValidNsec: u32(32),
  attrValidNsec: u32(36),
  attr: nested(40, attributes),
});

/** struct fuse_attr_out */
export interface AttributesReply {
  readonly attrValid: bigint;
  readonly attrValidNsec: number;
  readonly attr: FuseAttributes;
}
export const attributesReply = struct<AttributesReply>(104, {
  attrValid: u64(0),
  attrValidNsec: u32(8),
  attr: nested(16, attributes),
});

/** struct fuse_getattr_in */
export const getattrRequest = struct<{ readonly flags: number; readonly fh: bigint }>(16, {
  flags: u32(0),
  fh: u64(8),
});

/** struct fuse_open_in */
export const openRequest = struct<{ readonly flags: number }>(8, { flags: u32(0) });

/** struct fuse_open_out */
export const openReply = struct<{ readonly fh: bigint; readonly openFlags: number }>(16, {
  fh: u64(0),
  openFlags: u32(8),
});

/** struct fuse_read_in, of READ, READDIR and READDIRPLUS */
export interface ReadRequest {
  readonly fh: bigint;
  /** Byte offset; for folders the `off` of the last entry. */
  readonly offset: bigint;
  /** Bytes. */
  readonly size: number;
}
export const readRequest = struct<ReadRequest>(40, { fh: u64(0), offset: u64(8), size: u32(16) });

/** struct fuse_release_in */
export const releaseRequest = struct<{ readonly fh: bigint }>(24, { fh: u64(0) });

/** struct fuse_forget_in */
export const forgetRequest = struct<{ readonly nlookup: bigint }>(8, { nlookup: u64(0) });

/** struct fuse_batch_forget_in, and behind it `count` times struct fuse_forget_one */
export const batchForgetRequest = struct<{ readonly count: number }>(8, { count: u32(0) });
export const forgetOne = struct<{ readonly nodeid: bigint; readonly nlookup: bigint }>(16, {
  nodeid: u64(0),
  nlookup: u64(8),
});

/** struct fuse_kstatfs */
export interface FuseStatfs {
  /** Number of blocks of `frsize` bytes, as in the next two fields. */
  readonly blocks: bigint;
  readonly bfree: bigint;
  readonly bavail: bigint;
  readonly files: bigint;
  readonly ffree: bigint;
  readonly bsize: number;
  readonly namelen: number;
  readonly frsize: number;
}
export const statfs = struct<FuseStatfs>(80, {
  blocks: u64(0),
  bfree: u64(8),
  bavail: u64(16),
  files: u64(24),
  ffree: u64(32),
  bsize: u32(40),
  namelen: u32(44),
  frsize: u32(48),
});

/** Type bits of a mode, and their values. */
export const S_IFMT = 0o170000;
export const FileType = {
  Fifo: 0o010000,
  Character: 0o020000,
  Folder: 0o040000,
  Block: 0o060000,
  File: 0o100000,
  Link: 0o120000,
  Socket: 0o140000,
} as const;
