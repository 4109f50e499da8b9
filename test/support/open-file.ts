import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { constants, readFileSync, writeSync } from "node:fs";

/** The most that the counter of an event descriptor holds: the next write of 1 has to wait. */
const FULL = new Uint8Array(new BigUint64Array([0xffff_ffff_ffff_fffen]).buffer);

/** Clears O_NONBLOCK of an open file, as a peer that shares it may, or as it made the file. */
export function makeBlocking(...fds: readonly number[]): void {
  for (const fd of fds) {
    // libuv makes the standard output of a child blocking.
    const { status } = spawnSync("true", { stdio: ["ignore", fd, "inherit"] });
    assert.equal(status, 0);
    assert.equal(isNonBlocking(fd), false);
  }
}

/** Status flags of the open file: what fcntl(F_GETFL) returns. */
export function modeOf(fd: number): number {
  const [, octal = ""] =
    /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
  return Number.parseInt(octal, 8);
}

export function isNonBlocking(fd: number): boolean {
  return (modeOf(fd) & constants.O_NONBLOCK) !== 0;
}

/** Fills the counter of an event descriptor that is 0. */
export function fillCounter(fd: number): void {
  writeSync(fd, FULL);
}
