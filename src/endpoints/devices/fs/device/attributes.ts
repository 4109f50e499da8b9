import type { BigIntStats } from "node:fs";
import type { FuseAttributes } from "../layout.ts";
import type { InodeNumbers } from "./inode-numbers.ts";

const NANOSECONDS = 1_000_000_000n;
const U32 = 0xffff_ffffn;

/** Returns attributes as they are on this machine, with an inode number that no other file has. */
export function attributesOf(stats: BigIntStats, inodes: InodeNumbers): FuseAttributes {
  const [atime, atimensec] = timeOf(stats.atimeNs);
  const [mtime, mtimensec] = timeOf(stats.mtimeNs);
  const [ctime, ctimensec] = timeOf(stats.ctimeNs);
  return {
    ino: inodes.of(stats),
    size: stats.size,
    blocks: stats.blocks,
    atime,
    mtime,
    ctime,
    atimensec,
    mtimensec,
    ctimensec,
    mode: Number(stats.mode),
    nlink: Number(stats.nlink & U32),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    rdev: Number(stats.rdev & U32),
    blksize: Number(stats.blksize & U32),
    flags: 0,
  };
}

/** Seconds in two's complement, and nanoseconds above them: before 1970 both count upwards. */
function timeOf(nanoseconds: bigint): [seconds: bigint, nanoseconds: number] {
  const below = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return [BigInt.asUintN(64, (nanoseconds - below) / NANOSECONDS), Number(below)];
}
