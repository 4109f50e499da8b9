import {
  blockConfigLayout,
  type BlockConfig,
  decodeBlockConfig,
} from "../../../endpoints/devices/block/config.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  RANGE_BYTES,
  SECTOR_SIZE,
} from "../../../endpoints/devices/block/layout.ts";
import type { GuestBuffer } from "../../../core/memory/index.ts";
import type { CheckContext } from "../../conformance/kit/back-end/context.ts";
import { CaseFailure } from "../../engine/index.ts";
import { blockHeader } from "./header.ts";
import type {
  RunningDevice,
  BringUpOptions,
} from "../../conformance/kit/back-end/running-device.ts";
import { PAGE, POISON } from "../../conformance/kit/back-end/memory.ts";
import { largestConfig } from "../../conformance/kit/back-end/config-space.ts";

/** Room for data of 1 MiB, several times. */
const MEMORY_BYTES = 8 << 20;

/** The parameters of a request. */
export interface DiskRequest {
  readonly sector?: bigint;
  /** Data to the device. */
  readonly out?: Uint8Array;
  /** Size in bytes of the buffer for data from the device. */
  readonly room?: number;
  /** The initial content of the buffer. Default: poison. */
  readonly fill?: number;
  /** Bytes between the beginning of a page and the data. Default 0. */
  readonly offset?: number;
  /** Lengths of the descriptors of the data, each of which begins a page. Default: all in one. */
  readonly cuts?: readonly number[];
}

export interface DiskAnswer {
  readonly status: number;
  /** Number of bytes written, as the used ring has it. */
  readonly written: number;
  /** The room, as the device left it. */
  readonly data: Uint8Array;
}

/** A range of a discard or write-zeroes request. */
export interface DiskRange {
  readonly sector: bigint;
  readonly sectors: number;
  readonly flags?: number;
}

/** Returns consecutive parts of these lengths. */
function partsOf(bytes: Uint8Array, lengths: readonly number[] = [bytes.length]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => bytes.subarray(at, (at += length)));
}

const joined = (buffers: readonly GuestBuffer[]): Uint8Array =>
  Buffer.concat(buffers.map(({ bytes }) => bytes));

/** A disk that runs, and requests of any kind to it. */
export class Disk {
  readonly device: RunningDevice;
  readonly config: BlockConfig;
  /** Bytes of the unit for positions and lengths. */
  readonly unit: number;
  readonly #t: CheckContext;

  constructor(t: CheckContext, device: RunningDevice, config: BlockConfig) {
    this.#t = t;
    this.device = device;
    this.config = config;
    const sized = (t.facts.virtio & BlockFeature.BlockSize) !== 0n;
    this.unit = sized ? Math.max(config.blkSize, SECTOR_SIZE) : SECTOR_SIZE;
  }

  /** The sector of the last block. */
  get last(): bigint {
    return this.config.capacity - BigInt(this.unit / SECTOR_SIZE);
  }

  /** Size in bytes. */
  get size(): number {
    return Number(this.config.capacity) * SECTOR_SIZE;
  }

  /**
   * Sends a request and returns its outcome, whatever it is.
   *
   * @throws {CaseFailure} neither an answer nor the end of the connection
   */
  async attempt(type: number, request: DiskRequest = {}): Promise<DiskAnswer | "closed"> {
    const { sector = 0n, out, room = 0, offset = 0, fill = POISON, cuts } = request;
    const { memory, ring, session } = this.device;
    const readable = [memory.holding(blockHeader(type, sector))];
    // What follows a page without a gap misses the alignment by the bytes of that page's beginning.
    const alignment = offset > 0 ? 1 : PAGE;
    if (offset > 0) memory.data(offset);
    for (const part of out === undefined ? [] : partsOf(out, cuts))
      readable.push(memory.holding(part, alignment));
    const rooms = room > 0 ? (cuts ?? [room]) : [];
    const data = rooms.map((length) => memory.poisoned(length, alignment));
    for (const { bytes } of data) bytes.fill(fill);
    const status = memory.poisoned(1);
    ring.push(readable, [...data, status]);
    const done = await ring.completion();
    if (done === undefined && session.closed) return "closed";
    if (done === undefined) {
      throw new CaseFailure(`a request of type ${type}: neither a status nor a close`, {
        expected: "a status, or the end of the connection",
        actual: `nothing within ${this.#t.times.callMs} ms`,
      });
    }
    return {
      status: status.bytes[0] ?? 0,
      written: done.length,
      data: data.length > 1 ? joined(data) : (data[0]?.bytes ?? new Uint8Array()),
    };
  }

  /**
   * Like {@link attempt}, which must be answered.
   *
   * @throws {CaseFailure}
   */
  async ask(type: number, request: DiskRequest = {}): Promise<DiskAnswer> {
    const answer = await this.attempt(type, request);
    if (answer !== "closed") return answer;
    throw new CaseFailure(`a request of type ${type}`, {
      expected: "a status",
      actual: "the end of the connection",
    });
  }

  /**
   * Like {@link ask}, with this status.
   *
   * @throws {CaseFailure}
   */
  async expectStatus(status: number, type: number, request: DiskRequest = {}): Promise<DiskAnswer> {
    const answer = await this.ask(type, request);
    const what = `the answer to type ${type}, sector ${request.sector ?? 0n}`;
    this.#t.expect(what, blockStatusName(answer.status), blockStatusName(status));
    return answer;
  }

  /**
   * Sends a request that must fail: an I/O error is right, any other failure or a close is a
   * warning.
   *
   * @returns the answer, unless the connection was closed
   */
  async refused(type: number, request: DiskRequest): Promise<DiskAnswer | undefined> {
    const answer = await this.attempt(type, request);
    const got = answer === "closed" ? "a close" : blockStatusName(answer.status);
    const right = blockStatusName(BlockStatus.IoError);
    const what = `the answer to type ${type}, sector ${request.sector ?? 0n}`;
    if (got !== right) this.#t.warn(what, right, got);
    return answer === "closed" ? undefined : answer;
  }

  /** @throws {CaseFailure} */
  async read(sector: bigint, length: number): Promise<Uint8Array> {
    const forget = this.device.memory.mark();
    const { data } = await this.expectStatus(BlockStatus.Ok, BlockRequest.In, {
      sector,
      room: length,
    });
    const bytes = data.slice();
    forget();
    return bytes;
  }

  /**
   * Reads into two kinds of bytes: where both are left, no data came.
   *
   * @throws {CaseFailure}
   */
  async expectFilled(sector: bigint, length: number): Promise<void> {
    const { Ok } = BlockStatus;
    const request = { sector, room: length };
    const first = await this.expectStatus(Ok, BlockRequest.In, request);
    const other = { ...request, fill: POISON ^ 0xff };
    const second = await this.expectStatus(Ok, BlockRequest.In, other);
    this.#t.expectData(`sector ${sector}, read twice`, second.data, first.data);
  }

  /** @throws {CaseFailure} */
  async write(sector: bigint, bytes: Uint8Array): Promise<void> {
    const forget = this.device.memory.mark();
    await this.expectStatus(BlockStatus.Ok, BlockRequest.Out, { sector, out: bytes });
    forget();
  }

  /** A request for ranges of the disk. */
  async ranges(type: number, ranges: readonly DiskRange[]): Promise<number> {
    const out = Buffer.alloc(ranges.length * RANGE_BYTES);
    ranges.forEach(({ sector, sectors, flags = 0 }, i) => {
      out.writeBigUInt64LE(sector, i * RANGE_BYTES);
      out.writeUInt32LE(sectors, i * RANGE_BYTES + 8);
      out.writeUInt32LE(flags, i * RANGE_BYTES + 12);
    });
    return (await this.ask(type, { out })).status;
  }

  /** Does something to a part of the disk, and puts back what stood there. */
  async keeping(sector: bigint, length: number, work: () => Promise<void>): Promise<void> {
    const before = await this.read(sector, length);
    try {
      await work();
    } finally {
      if (!this.device.session.closed) await this.write(sector, before);
    }
  }
}

/**
 * The disk of a block target.
 *
 * @param virtio features of the device to acknowledge, of what is offered
 * @throws {CaseFailure}
 */
export async function diskOf(
  t: CheckContext,
  virtio = 0n,
  options: Omit<BringUpOptions, "virtio"> = {},
): Promise<Disk> {
  const device = await t.bringUp({
    size: MEMORY_BYTES,
    ...options,
    virtio: t.usualVirtio | (virtio & t.facts.virtio),
  });
  const config = await largestConfig(device.session, blockConfigLayout.sizes);
  if (config === undefined) t.fail("GET_CONFIG", "the configuration of a disk", "an error");
  return new Disk(t, device, decodeBlockConfig(config));
}
