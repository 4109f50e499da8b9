import { join } from "node:path";
import {
  type BackendOptions,
  BackendSession,
  type Device,
} from "../../../../../src/endpoints/backend/index.ts";
import { ConnectError } from "../../../../../src/core/base/index.ts";
import { BlockDevice } from "../../../../../src/endpoints/devices/block/index.ts";
import { FsDevice, SharedFolder } from "../../../../../src/endpoints/devices/fs/index.ts";
import { echoDevice } from "../../../../../src/endpoints/devices/net/index.ts";
import { RngDevice } from "../../../../../src/endpoints/devices/rng/index.ts";
import { processFigures, UnixSocket } from "../../../../../src/core/os/index.ts";
import { ProtocolFeature } from "../../../../../src/core/protocol/index.ts";
import type {
  ProcessEnd,
  Target,
  TargetProcess,
  TargetReport,
} from "../../../../../src/lab/conformance/index.ts";
import type { Content } from "../../../../support/disk-content.ts";
import { packageRoot } from "../../../../support/package-root.ts";
import { type ByteHooks, relayBytes } from "../../../../../src/lab/wire/index.ts";
import { directDisk, fileDisk, memoryDisk, type TestDisk } from "./test-disk.ts";
import { SharedMemoryDisk } from "./shared-memory-disk.ts";
import { WceDisk } from "./wce-disk.ts";
import type { Base, Mutant, World } from "./mutant.ts";

const DISK_BYTES = 1 << 20;
/** Of a disk; pairs of a network card. */
const QUEUES = 2;

/** Our back-end in this process, over a socket pair: hundreds of them start within a second. */
export class InProcessTarget implements Target {
  readonly name: string;
  readonly #options: BackendOptions;
  readonly #bytes: (() => ByteHooks) | undefined;
  readonly #disk: TestDisk;
  readonly #sessions = new Set<BackendSession>();
  readonly #folder: SharedFolder | undefined;
  readonly #leaked: { close(): void }[] = [];
  readonly #hoarded: Uint8Array[] = [];
  #end: ProcessEnd | undefined;

  /** @param content of the disk of the base `direct`. Default: noise */
  constructor(base: Base, mutant?: Mutant, content: Content = "noise") {
    this.name = mutant?.fault ?? `healthy ${base}`;
    this.#disk = diskOf(base, content);
    const folder =
      base === "fs" ? SharedFolder.open(join(packageRoot, "test", "fixtures")) : undefined;
    this.#folder = folder;
    const device = (): Device => {
      if (folder !== undefined) return new FsDevice({ folder, queues: QUEUES });
      if (base === "rng") return new RngDevice();
      if (base === "net") return echoDevice({ queuePairs: QUEUES, mtu: true });
      const disk = new BlockDevice({ storage: this.#disk.storage, queues: QUEUES });
      if (base === "shm") return new SharedMemoryDisk(disk);
      return base === "wce" ? new WceDisk(disk) : disk;
    };
    const healthy: BackendOptions = {
      device,
      optional: ProtocolFeature.InbandNotifications,
      iommu: base === "iommu",
    };
    const world: World = {
      crash: (signal) => this.#crash(signal),
      leak: (held) => this.#leaked.push(held),
      hoard: (bytes) => this.#hoarded.push(Buffer.alloc(bytes, 1)),
    };
    this.#options = mutant?.apply?.(healthy, world) ?? healthy;
    const bytes = mutant?.bytes;
    this.#bytes = bytes && ((): ByteHooks => bytes(world));
  }

  async connect(): Promise<UnixSocket> {
    if (this.#end !== undefined) throw new ConnectError(`${this.name}: the process is gone`);
    const [ours, theirs] = UnixSocket.pair();
    const socket = this.#bytes ? relayBytes(theirs, this.#bytes()) : theirs;
    const session = new BackendSession(socket, {
      ...this.#options,
      device: this.#options.device(),
    });
    this.#options.onSession?.(session);
    this.#sessions.add(session);
    void session.closed.then(() => this.#sessions.delete(session));
    return ours;
  }

  get process(): TargetProcess {
    const figures = (): ReturnType<typeof processFigures> => processFigures(process.pid);
    return { pid: process.pid, end: this.#end, figures };
  }

  image(bytes: number): string | undefined {
    return bytes === this.#disk.storage.size ? this.#disk.path : undefined;
  }

  takeReport(): TargetReport {
    return { ends: this.#end ? [this.#end] : [], output: "" };
  }

  /** Its sessions end at once, and there is another process. */
  restart = async (): Promise<void> => {
    this.#end = undefined;
    const ended = [...this.#sessions].map(async ({ closed }) => closed);
    for (const session of this.#sessions) session.close();
    await Promise.all(ended);
  };

  async close(): Promise<void> {
    const ended = [...this.#sessions].map(async ({ closed }) => closed);
    for (const session of this.#sessions) session.close();
    await Promise.all(ended);
    for (const held of this.#leaked) held.close();
    this.#hoarded.length = 0;
    this.#disk.close();
    this.#folder?.close();
  }

  #crash(signal: NodeJS.Signals): void {
    this.#end = { code: null, signal };
    for (const session of this.#sessions) session.close();
  }
}

function diskOf(base: Base, content: Content): TestDisk {
  if (base === "direct") return directDisk(DISK_BYTES, content);
  if (base === "file") return fileDisk(DISK_BYTES);
  return memoryDisk(DISK_BYTES, base === "read-only");
}
