import type { TestContext } from "node:test";
import { GuestMemory, Region, RegionTable } from "../../../src/core/memory/index.ts";
import {
  createDeviceQueue,
  createDriverQueue,
  type DeviceQueue,
  type DriverQueue,
  type RingFeatures,
  ringFormat,
  type RingMemory,
  SegmentList,
  SplitDeviceQueue,
  SplitDriverQueue,
} from "../../../src/core/virtqueue/index.ts";

export interface RingOptions extends Partial<RingFeatures> {
  readonly size?: number;
  /** Bytes of memory and the regions that it is split into. */
  readonly bytes?: number;
  readonly regions?: number;
  readonly indirectSegments?: number;
}

/** Both halves of one ring in this process, each with mappings of its own. */
export interface Rings {
  readonly memory: GuestMemory;
  readonly table: RegionTable;
  readonly driver: DriverQueue;
  readonly device: DeviceQueue;
  /** Makes a device half that starts at a base, e.g. after indices were preset. */
  restart(base: number): DeviceQueue;
}

/** The same of a split ring. */
export interface SplitRings extends Rings {
  readonly driver: SplitDriverQueue;
  readonly device: SplitDeviceQueue;
  restart(base: number): SplitDeviceQueue;
}

/** A format that a suite runs with. */
export interface Format {
  readonly name: "split" | "packed";
  readonly packed: boolean;
}

/** Both formats: a rule that holds for either is tested once for each. */
export const FORMATS: readonly Format[] = [
  { name: "split", packed: false },
  { name: "packed", packed: true },
];

/** A device's view of the client's memory: what SET_MEM_TABLE makes. */
export function tableOf(memory: GuestMemory): RegionTable {
  const table = new RegionTable();
  table.replace(
    memory.regions.map(({ description, fd }) => new Region(description, fd.duplicate())),
  );
  return table;
}

/** User addresses of a ring's parts. */
export type PartAddresses = Readonly<Record<keyof RingMemory, bigint>>;

/** Where the device half finds a ring. */
export function locateParts(
  table: RegionTable,
  parts: PartAddresses,
  size: number,
  packed: boolean,
): RingMemory {
  const layout = ringFormat(packed).layout(size);
  const part = (name: keyof RingMemory) => {
    const view = table.locate(parts[name], layout[name].bytes);
    if (view === undefined) throw new Error(`the ${name} area is not in the table`);
    return view;
  };
  return { descriptors: part("descriptors"), driver: part("driver"), device: part("device") };
}

/** Where the device half finds the ring that the driver half has made. */
export function locateRing(table: RegionTable, { parts, size, raw }: DriverQueue): RingMemory {
  const addresses = {
    descriptors: parts.descriptors.userAddress,
    driver: parts.driver.userAddress,
    device: parts.device.userAddress,
  };
  return locateParts(table, addresses, size, raw.format === "packed");
}

/** Makes both halves of a split ring, and closes them with the test. */
export function makeSplitRings(t: TestContext | undefined, options: RingOptions = {}): SplitRings {
  const { size = 8, bytes = 1 << 20, regions = 1, indirectSegments = 8 } = options;
  const features = { eventIdx: options.eventIdx ?? false, indirect: options.indirect ?? false };
  const memory = new GuestMemory({ size: bytes, regions });
  t?.after(() => memory.close());
  const table = tableOf(memory);
  t?.after(() => table.close());
  const driver = new SplitDriverQueue({ size, memory, features, indirectSegments });
  const restart = (base: number) =>
    new SplitDeviceQueue({ size, memory: locateRing(table, driver), space: table, features, base });
  return { memory, table, driver, device: restart(0), restart };
}

/** Makes both halves of a ring in the format of the options; the caller closes memory and table. */
export function openRings(options: RingOptions): Rings {
  const { size = 8, bytes = 1 << 20, regions = 1, indirectSegments = 8 } = options;
  const { eventIdx = false, indirect = false, packed = false, inOrder = false } = options;
  const features = { eventIdx, indirect, packed, inOrder };
  const memory = new GuestMemory({ size: bytes, regions });
  const table = tableOf(memory);
  const driver = createDriverQueue({ size, memory, features, indirectSegments });
  const ring = locateRing(table, driver);
  const restart = (base: number) =>
    createDeviceQueue({ size, memory: ring, space: table, features, base });
  return { memory, table, driver, device: restart(ringFormat(packed).freshBase), restart };
}

/** As {@link openRings}; closed with the test. */
export function makeRings(t: TestContext, options: RingOptions = {}): Rings {
  const rings = openRings(options);
  t.after(() => {
    rings.table.close();
    rings.memory.close();
  });
  return rings;
}

/** Segments given as [guest address, length]. */
export function segmentsOf(
  ...list: readonly (readonly [address: number, length: number])[]
): SegmentList {
  const segments = new SegmentList(list.length);
  for (const [address, length] of list) segments.push(address, length);
  return segments;
}
