import { readSync } from "node:fs";
import type { TestContext } from "node:test";
import {
  BlockDevice,
  type BlockDeviceOptions,
} from "../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../src/endpoints/storage/index.ts";
import { type DeviceQueue, SegmentList } from "../../../src/core/virtqueue/index.ts";
import { makeSplitRings, type SplitRings } from "./rings.ts";
import { capability } from "../../support/capability.ts";

export const SECTOR = 512;
/** Not written by the device. */
export const POISON = 0xee;

export interface Answer {
  /** The last writable byte. */
  readonly status: number;
  /** As the used ring has it. */
  readonly used: number;
  /** The writable bytes in front of the status. */
  readonly data: Uint8Array;
}

export interface Request {
  readonly type: number;
  readonly sector?: number | bigint;
  /** Behind the header. */
  readonly out?: Uint8Array;
  /** Bytes in front of the status. */
  readonly into?: number;
  /** How the readable and the writable bytes are cut; default: header, data; data, status. */
  readonly readableCuts?: readonly number[];
  readonly writableCuts?: readonly number[];
  /** The readable bytes as they are, instead of type, sector and out. */
  readonly raw?: Uint8Array;
}

/** A block device behind a ring in this process. */
export interface Disk extends SplitRings {
  readonly block: BlockDevice;
  readonly storage: BlockStorage;
  /** Puts a request on the ring and waits for its completion. */
  request(request: Request): Promise<Answer>;
  /** As {@link request}, without serving the ring. */
  submit(request: Request): Promise<Answer>;
  /** Serves what is on the ring. */
  serve(): void;
  /** Bytes of the storage. */
  stored(position: number, length: number): Uint8Array;
}

export function header(type: number, sector: number | bigint = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt.asUintN(64, BigInt(sector)), true);
  return bytes;
}

/** A segment of a discard or write-zeroes request. */
export function range(sector: number | bigint, sectors: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, sectors, true);
  view.setUint32(12, flags, true);
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A ring that runs, as a device sees it. */
export function runningQueue(queue: DeviceQueue, publish: () => void = () => undefined) {
  return { index: 0, queue, publish, active: true, closed: false, wake: () => undefined };
}

export interface DiskOptions extends Omit<BlockDeviceOptions, "storage"> {
  readonly size?: number;
  readonly readOnly?: boolean;
  readonly storage?: BlockStorage;
  /** Acknowledged device features; undefined: all that are offered. */
  readonly features?: bigint;
  readonly memoryBytes?: number;
  readonly regions?: number;
}

export function makeDisk(t: TestContext, options: DiskOptions = {}): Disk {
  const {
    size = 64 * SECTOR,
    readOnly = false,
    memoryBytes = 1 << 22,
    regions = 1,
    ...rest
  } = options;
  const storage = options.storage ?? BlockStorage.memory(size, { readOnly });
  const rings = makeSplitRings(t, { size: 64, bytes: memoryBytes, regions });
  const { driver, device, memory } = rings;
  const block = new BlockDevice({ ...rest, storage });
  t.after(async () => {
    await block.capabilities.draining?.quiesce(0);
    block.capabilities.lifecycle?.close?.();
    storage.close();
  });
  capability(block, "lifecycle").negotiated?.(options.features ?? block.features);
  const waiting = new Map<number, (used: number) => void>();
  let token = 0;
  const publish = (): void => {
    device.publish();
    driver.poll((given, used) => {
      waiting.get(given)?.(used);
      waiting.delete(given);
    }, 1000);
  };
  const serve = (): void => {
    block.process(runningQueue(device, publish));
    publish();
  };
  const submit = ({ type, sector, out, into = 0, readableCuts, writableCuts, raw }: Request) => {
    const readable = raw ?? concat(header(type, sector), out ?? new Uint8Array());
    const reads = readableCuts ?? (raw ? [raw.length] : [16, readable.length - 16]);
    const writes = writableCuts ?? [into, 1];
    const segments = new SegmentList(64);
    let readableSegments = 0;
    const from = memory.allocate(Math.max(1, readable.length));
    from.bytes.set(readable);
    const cut = (start: number, lengths: readonly number[], count: () => void): void => {
      for (const length of lengths) {
        if (length > 0) {
          segments.push(start, length);
          count();
        }
        start += length;
      }
    };
    cut(from.guestAddress, reads, () => (readableSegments += 1));
    const writable = writes.reduce((a, b) => a + b, 0);
    const to = memory.allocate(Math.max(1, writable));
    to.bytes.fill(POISON);
    cut(to.guestAddress, writes, () => undefined);
    const mine = token++;
    if (!driver.add(segments, readableSegments, mine)) throw new Error("the ring is full");
    driver.publish();
    return new Promise<Answer>((resolve) => {
      waiting.set(mine, (used) =>
        resolve({
          status: to.bytes[writable - 1] ?? -1,
          used,
          data: to.bytes.slice(0, Math.max(0, writable - 1)),
        }),
      );
    });
  };
  const request = (wanted: Request): Promise<Answer> => {
    const answer = submit(wanted);
    serve();
    return answer;
  };
  const stored = (position: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    readSync(storage.fd, bytes, 0, length, position);
    return bytes;
  };
  return { ...rings, block, storage, request, submit, serve, stored };
}
