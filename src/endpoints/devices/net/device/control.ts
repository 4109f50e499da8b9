import type { DeviceConfig } from "../../../backend/index.ts";
import type { RunningQueue } from "../../../../core/runtime/index.ts";
import { virtioFeatureNames } from "../../../../core/protocol/index.ts";
import {
  canWrite,
  type ChainCursor,
  copyIn,
  copyOut,
  createChainCursor,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import { parseMac } from "../../../netstack/build-frame.ts";
import { netType } from "../type.ts";
import { ControlAck, ControlClass, MacCommand, NET_CONFIG_BYTES } from "../control.ts";
import { NetFeature } from "../layout.ts";
import { ReceiveFilter } from "./receive-filter.ts";

/**
 * Limit on the bytes of a command: enough for two tables with more addresses than a filter keeps.
 */
const MAX_COMMAND_BYTES = 4096;
const LINK_UP = 1;

/** The control queue of a device: what the driver set by it. */
export class DeviceControl {
  readonly filter: ReceiveFilter;
  /** Number of queue pairs on which the driver receives: one, until it sets another number. */
  activePairs = 1;
  /** The features that the driver acknowledged; undefined allows all. */
  features: bigint | undefined;
  readonly config: DeviceConfig;
  readonly #pairs: number;
  readonly #chain: ChainCursor = createChainCursor();
  readonly #command = new Uint8Array(MAX_COMMAND_BYTES);
  readonly #ack = new Uint8Array(1);

  /** @throws {UsageError} no MAC address */
  constructor(pairs: number, mac: string) {
    this.#pairs = pairs;
    this.filter = new ReceiveFilter(parseMac(mac));
    this.config = { size: NET_CONFIG_BYTES, read: this.#read.bind(this), write: () => false };
  }

  process({ queue }: RunningQueue): void {
    for (let budget = queue.size; budget > 0 && queue.next(this.#chain); budget -= 1) {
      const chain = this.#chain;
      if (chain.writableBytes === 0) {
        queue.fail("a control command has no writable byte for the answer", "5.1.6.5");
        return;
      }
      if (chain.unreachable !== undefined && !canWrite(chain, 0, 1)) {
        queue.fail(chain.unreachable.reason, chain.unreachable.section);
        return;
      }
      const length = Math.min(chain.readableBytes, MAX_COMMAND_BYTES);
      copyOut(chain, 0, this.#command, length);
      const isTaken =
        chain.unreachable === undefined &&
        chain.readableBytes <= MAX_COMMAND_BYTES &&
        this.#mayUse(queue, this.#command) &&
        this.#obey(this.#command.subarray(0, length));
      this.#ack[0] = isTaken ? ControlAck.Ok : ControlAck.Error;
      copyIn(chain, 0, this.#ack, 0, 1);
      queue.complete(chain.id, 1);
    }
  }

  reset(): void {
    this.activePairs = 1;
    this.filter.reset();
  }

  /** Returns the settings of the driver, for the destination of a migration. */
  save(): unknown {
    return { activePairs: this.activePairs, filter: this.filter.save() };
  }

  /**
   * Restores what {@link save} returned.
   *
   * @returns false: the state has another form, or is that of a device with more pairs
   */
  load(state: unknown): boolean {
    const { activePairs, filter } = (state ?? {}) as { activePairs?: unknown; filter?: unknown };
    const pairs = Number.isInteger(activePairs) ? Number(activePairs) : 0;
    if (pairs < 1 || pairs > this.#pairs || !this.filter.load(filter)) return false;
    this.activePairs = pairs;
    return true;
  }

  /** Returns whether a command is obeyed: the driver acknowledged its feature, or is tolerated. */
  #mayUse(queue: ServedQueue, [cls = 0, name = 0]: Uint8Array): boolean {
    const needed = featureOf(cls, name);
    if (this.features === undefined || (needed & ~this.features) === 0n) return true;
    return queue.tolerates(virtioFeatureNames(needed, netType).join());
  }

  #obey(command: Uint8Array): boolean {
    const [cls, name] = command;
    const data = command.subarray(2);
    if (cls === ControlClass.Receive)
      return data.length === 1 && this.filter.setMode(name ?? 0xff, data[0] !== 0);
    if (cls === ControlClass.Mac && name === MacCommand.Address && data.length === 6) {
      this.filter.mac = data;
      return true;
    }
    if (cls === ControlClass.Mac && name === MacCommand.Table) return this.#setTables(data);
    if (cls !== ControlClass.QueuePairs || name !== 0 || data.length !== 2) return false;
    const pairs = (data[0] ?? 0) | ((data[1] ?? 0) << 8);
    if (pairs < 1 || pairs > this.#pairs) return false;
    this.activePairs = pairs;
    return true;
  }

  #setTables(data: Uint8Array): boolean {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const tables: Uint8Array[][] = [];
    let at = 0;
    for (let i = 0; i < 2; i += 1) {
      if (at + 4 > data.length) return false;
      const count = view.getUint32(at, true);
      at += 4;
      if (count > (data.length - at) / 6) return false;
      tables.push(Array.from({ length: count }, (_, k) => data.slice(at + 6 * k, at + 6 * k + 6)));
      at += 6 * count;
    }
    if (at !== data.length) return false;
    this.filter.setTables(tables[0] ?? [], tables[1] ?? []);
    return true;
  }

  #read(offset: number, out: Uint8Array): void {
    const bytes = new Uint8Array(NET_CONFIG_BYTES);
    bytes.set(this.filter.mac);
    bytes[6] = LINK_UP;
    bytes[8] = this.#pairs;
    // The field counts with VIRTIO_NET_F_MTU only; 0xffff means no limit.
    bytes.fill(0xff, 10);
    out.set(bytes.subarray(offset, offset + out.length));
  }
}

/** The feature that a command comes with (VIRTIO 5.1.6.5); 0: none, or no such command. */
function featureOf(cls: number, name: number): bigint {
  if (cls === ControlClass.Receive) return name < 2 ? NetFeature.CtrlRx : NetFeature.CtrlRxExtra;
  if (cls === ControlClass.QueuePairs) return NetFeature.Mq;
  if (cls !== ControlClass.Mac) return 0n;
  return name === MacCommand.Address ? NetFeature.CtrlMacAddr : NetFeature.CtrlRx;
}
