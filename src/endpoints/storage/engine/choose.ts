import { statfsSync } from "node:fs";
import { asError, EnvironmentError, systemCode } from "../../../core/base/index.ts";
import { Uring } from "../../../core/os/index.ts";
import type { BlockStorage } from "../image/storage.ts";
import type { EngineName, EngineOptions, StorageEngine } from "./engine.ts";
import { SyncEngine } from "./sync-engine.ts";
import { ThreadsEngine } from "./threads-engine.ts";
import { UringEngine } from "./uring-engine.ts";

/** `f_type` of a file system in memory (`TMPFS_MAGIC`). */
const TMPFS = 0x0102_1994;

export interface EngineChoice {
  readonly name: EngineName;
  /** The reason of the choice; undefined if the caller named it. */
  readonly reason?: string | undefined;
}

/**
 * Chooses how an image's requests are carried out. `auto`: in memory nothing waits, so system calls
 * are made one after another; on a disk io_uring has many requests in flight. Where io_uring cannot
 * be used, threads take over; a ring with a worker of its own makes its system calls there.
 *
 * @throws {EnvironmentError} io_uring is wanted, and this machine has none
 */
export function chooseEngine(
  wanted: EngineName | "auto",
  storage: BlockStorage,
  workers: boolean,
): EngineChoice {
  if (wanted === "uring") {
    const reason = whyNoUring();
    if (reason === undefined) return { name: "uring" };
    throw new EnvironmentError(`${reason}; use --engine threads, or leave the choice to auto`);
  }
  if (wanted !== "auto") return { name: wanted };
  if (storage.isNull || isInMemory(storage.fd))
    return { name: "sync", reason: "nothing waits in memory" };
  const reason = whyNoUring();
  if (reason === undefined) return { name: "uring", reason: "many requests in flight" };
  return { name: workers ? "sync" : "threads", reason };
}

/** @throws {SystemError} io_uring cannot be used, or no descriptor or memory is left */
export function createEngine(name: EngineName, options: EngineOptions): StorageEngine {
  if (name === "uring") return new UringEngine(options);
  return name === "threads" ? new ThreadsEngine(options) : new SyncEngine(options);
}

/** Returns the reason why io_uring cannot be used; undefined if it can. */
function whyNoUring(): string | undefined {
  try {
    Uring.create({ entries: 8, completions: 16, deferred: false }).close();
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOSYS") return "this kernel has no io_uring of Linux 5.11 or newer";
    if (code === "EPERM")
      return "io_uring is forbidden here (sysctl kernel.io_uring_disabled, or a container's seccomp filter)";
    return `io_uring cannot be used: ${asError(error).message}`;
  }
}

function isInMemory(fd: number): boolean {
  try {
    return statfsSync(`/proc/self/fd/${fd}`).type === TMPFS;
  } catch {
    return false;
  }
}
