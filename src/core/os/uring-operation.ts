/** Operations of io_uring (`IORING_OP_*`). */
export const UringOperation = {
  ReadVector: 1,
  WriteVector: 2,
  Sync: 3,
  PollAdd: 6,
  PollRemove: 7,
  Fallocate: 17,
  Read: 22,
  Write: 23,
} as const;

/** `IORING_FSYNC_DATASYNC`: fdatasync(2) instead of fsync(2). */
export const URING_DATASYNC = 1;
