import type { WaitOptions } from "../../../core/base/index.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { escapeComma } from "./qemu-options.ts";
import { startListening } from "../process/ready.ts";

export interface StorageDaemonOptions {
  readonly socketPath: string;
  /** A raw image; it must exist. */
  readonly imagePath: string;
  /** Default true. */
  readonly writable?: boolean | undefined;
  /** Number of virtqueues; default 1. */
  readonly queues?: number | undefined;
  /** Size in bytes; default 512. */
  readonly logicalBlockSize?: number | undefined;
  /** Further arguments of the daemon, e.g. `["--trace", "vhost_user_*"]`. */
  readonly extraArguments?: readonly string[] | undefined;
}

/** Command line of `qemu-storage-daemon` for one vhost-user-blk export. */
export function storageDaemonArguments(options: StorageDaemonOptions): string[] {
  const writable = options.writable ?? true;
  const node = [
    "driver=file",
    "node-name=disk0",
    `filename=${escapeComma(options.imagePath)}`,
    // Without it the daemon unmaps nothing: a discard would be accepted and ignored.
    "discard=unmap",
    ...(writable ? [] : ["read-only=on"]),
  ];
  const exported = [
    "type=vhost-user-blk",
    "id=export0",
    "node-name=disk0",
    "addr.type=unix",
    `addr.path=${escapeComma(options.socketPath)}`,
    `writable=${writable ? "on" : "off"}`,
    `num-queues=${options.queues ?? 1}`,
    ...(options.logicalBlockSize === undefined
      ? []
      : [`logical-block-size=${options.logicalBlockSize}`]),
  ];
  return [
    "--blockdev",
    node.join(","),
    "--export",
    exported.join(","),
    ...(options.extraArguments ?? []),
  ];
}

/**
 * QEMU's own vhost-user-blk back-end on an image file; resolves when it listens. It serves one
 * front-end at a time, and the next one after that has gone.
 *
 * @throws {EnvironmentError} program missing; {@link PeerClosedError} it refused to start
 */
export async function startStorageDaemon(
  options: StorageDaemonOptions & WaitOptions,
): Promise<ManagedProcess> {
  return await startListening(
    options.socketPath,
    () => ManagedProcess.spawn("qemu-storage-daemon", storageDaemonArguments(options)),
    options,
  );
}
