/** Requests of the FUSE protocol, by their numbers in `linux/fuse.h`. */
export const FuseOpcode = {
  /** FUSE_LOOKUP */
  Lookup: 1,
  /** FUSE_FORGET; has no reply */
  Forget: 2,
  /** FUSE_GETATTR */
  Getattr: 3,
  /** FUSE_SETATTR */
  Setattr: 4,
  /** FUSE_READLINK */
  Readlink: 5,
  /** FUSE_SYMLINK */
  Symlink: 6,
  /** FUSE_MKNOD */
  Mknod: 8,
  /** FUSE_MKDIR */
  Mkdir: 9,
  /** FUSE_UNLINK */
  Unlink: 10,
  /** FUSE_RMDIR */
  Rmdir: 11,
  /** FUSE_RENAME */
  Rename: 12,
  /** FUSE_LINK */
  Link: 13,
  /** FUSE_OPEN */
  Open: 14,
  /** FUSE_READ */
  Read: 15,
  /** FUSE_WRITE */
  Write: 16,
  /** FUSE_STATFS */
  Statfs: 17,
  /** FUSE_RELEASE */
  Release: 18,
  /** FUSE_SETXATTR */
  Setxattr: 21,
  /** FUSE_REMOVEXATTR */
  Removexattr: 24,
  /** FUSE_INIT */
  Init: 26,
  /** FUSE_OPENDIR */
  Opendir: 27,
  /** FUSE_READDIR */
  Readdir: 28,
  /** FUSE_RELEASEDIR */
  Releasedir: 29,
  /** FUSE_CREATE */
  Create: 35,
  /** FUSE_INTERRUPT; has no reply unless it failed */
  Interrupt: 36,
  /** FUSE_DESTROY; has a reply, or none */
  Destroy: 38,
  /** FUSE_BATCH_FORGET; has no reply */
  BatchForget: 42,
  /** FUSE_FALLOCATE */
  Fallocate: 43,
  /** FUSE_READDIRPLUS */
  Readdirplus: 44,
  /** FUSE_RENAME2 */
  Rename2: 45,
  /** FUSE_COPY_FILE_RANGE */
  CopyFileRange: 47,
  /** FUSE_TMPFILE */
  Tmpfile: 51,
} as const;
export type FuseOpcode = (typeof FuseOpcode)[keyof typeof FuseOpcode];

/**
 * Returns whether a device may complete a request with 0 bytes written. libfuse and the virtiofsd
 * of QEMU 7.2 answer FUSE_DESTROY; virtiofsd 1.13 does not, and the Linux driver accepts both.
 */
export function mayLackReply(opcode: number): boolean {
  return (
    opcode === FuseOpcode.Forget ||
    opcode === FuseOpcode.BatchForget ||
    opcode === FuseOpcode.Interrupt ||
    opcode === FuseOpcode.Destroy
  );
}

/** `FUSE_INIT << 24`: what {@link FuseOpcode.Init} looks like in the other byte order. */
export const SWAPPED_INIT = 0x1a00_0000;

const NAMES = new Map<number, string>(
  Object.entries(FuseOpcode).map(([name, number]) => [
    number,
    `FUSE_${name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()}`,
  ]),
);

/** Returns the name of a request in `linux/fuse.h`. */
export function fuseOpcodeName(opcode: number): string {
  return NAMES.get(opcode) ?? `FUSE opcode ${opcode}`;
}
