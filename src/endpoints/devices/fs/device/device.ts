import { UsageError } from "../../../../core/base/index.ts";
import type { RunningQueue } from "../../../../core/runtime/index.ts";
import { type Device, type DeviceCapabilities, readOnlyConfig } from "../../../backend/index.ts";
import { encodeFsConfig, FS_CONFIG_SIZE } from "../config.ts";
import type { SharedFolder } from "./folder.ts";
import { FuseServer } from "./server.ts";
import { fsState } from "./state.ts";
import { fsType } from "../type.ts";
import type { DeviceType } from "../../../../core/protocol/index.ts";

const MAX_QUEUE_SIZE = 1024;
/** Request queues and the one for requests of high priority are up to 256. */
const MAX_REQUEST_QUEUES = 255;
const DEFAULT_HANDLES = 4096;

export interface FsDeviceOptions {
  /** Shared with other sessions; not closed with the device. */
  readonly folder: SharedFolder;
  /** The name under which a guest mounts it, 1 to 36 bytes of UTF-8. Default `shared`. */
  readonly tag?: string | undefined;
  /** Request queues that are offered. Default 1. */
  readonly queues?: number | undefined;
  /**
   * Limit on entries that the driver has looked up and not forgotten. Default: half of the folder's
   * limit for all sessions, so that one session cannot exhaust it.
   */
  readonly maxNodes?: number | undefined;
  /** Files and folders that the driver may have open. Default 4096. */
  readonly maxHandles?: number | undefined;
}

/**
 * A file system device (VIRTIO 5.11) over a folder, read-only: nothing outside of the folder can be
 * reached, nothing in it changed. Data moves from files to the driver without a copy in this
 * process.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { FsDevice, SharedFolder } from "vhost-user/devices/fs";
 *
 * const folder = SharedFolder.open(".");
 * const server = await BackendServer.listen("folder.sock", {
 *   device: () => new FsDevice({ folder, tag: "shared" }),
 * });
 * server.close();
 * folder.close();
 * ```
 */
export class FsDevice implements Device {
  readonly type: DeviceType = fsType;
  readonly features = 0n;
  readonly maxQueues: number;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly capabilities: DeviceCapabilities;
  readonly #server: FuseServer;

  /** @throws {UsageError} a tag or a number of queues that cannot be */
  constructor({ folder, tag = "shared", queues = 1, maxNodes, maxHandles }: FsDeviceOptions) {
    if (!Number.isInteger(queues) || queues < 1 || queues > MAX_REQUEST_QUEUES) {
      throw new UsageError(`queues must be 1 to ${MAX_REQUEST_QUEUES}, not ${queues}`);
    }
    this.maxQueues = 1 + queues;
    const bytes = encodeFsConfig({ tag, numRequestQueues: queues });
    this.#server = new FuseServer(folder, {
      maxNodes: maxNodes ?? Math.ceil(folder.maxDescriptors / 2),
      maxHandles: maxHandles ?? DEFAULT_HANDLES,
    });
    // After a reset the driver sends INIT again.
    const end = (): void => this.#server.end();
    this.capabilities = {
      config: readOnlyConfig(FS_CONFIG_SIZE, () => bytes),
      lifecycle: { reset: end, close: end },
      migration: fsState(this.#server),
    };
  }

  process({ queue }: RunningQueue): void {
    this.#server.serve(queue, queue.size);
  }
}
