/**
 * What a request costs on the way through both halves of a ring when memory is one region and when
 * it is many, up to the 509 that there can be, by guest address and by I/O virtual address. Each
 * request's buffer is in another region than the one before. Best of several rounds, in turns, so
 * that a busy machine slows all of them alike.
 *
 *     node dist/bench/regions.js [requests per round]
 */
import { GuestMemory, Iotlb, Region, RegionTable } from "../src/core/memory/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  createDriverQueue,
  ringFormat,
  SegmentList,
} from "../src/core/virtqueue/index.ts";

const REGION_COUNTS = [1, 2, 8, 64, 253, 509];
const REQUESTS = Number(process.argv[2] ?? 200_000);
const ROUNDS = 9;
/** The same for all: only the place of the buffers differs. */
const BUFFERS = 509;
const BUFFER_BYTES = 4096;
const RING_BYTES = 1 << 16;
const SIZE = 64;
const features = { eventIdx: true, indirect: false };

/** Measures one ring over `regions` regions. Returns nanoseconds a request. */
function makeRing(regions: number, iommu: boolean): { run: () => number; close: () => void } {
  const each = RING_BYTES + Math.ceil(BUFFERS / regions) * BUFFER_BYTES;
  const memory = new GuestMemory({ size: each * regions, regions }, iommu);
  const table = new RegionTable();
  table.replace(
    memory.regions.map(({ description, fd }) => new Region(description, fd.duplicate())),
  );
  const driver = createDriverQueue({ size: SIZE, memory, features });
  const locate = ({ userAddress, bytes }: { userAddress: bigint; bytes: Uint8Array }) => {
    const view = table.locate(userAddress, bytes.length);
    if (view === undefined) throw new Error("the ring is not in the table");
    return view;
  };
  const { descriptors, driver: available, device: used } = driver.parts;
  const iotlb = new Iotlb(table, () => undefined);
  // What is left of the first region is not used: buffers begin in whole regions.
  const buffers = Array.from({ length: BUFFERS }, (_, i) => {
    const region = memory.regions[i % regions];
    if (region === undefined) throw new Error("fewer regions than asked for");
    const offset = RING_BYTES + Math.floor(i / regions) * BUFFER_BYTES;
    const address = iommu ? 2 ** 40 + region.start + offset : region.start + offset;
    return { address };
  });
  if (iommu) {
    for (const { description } of memory.regions) {
      const { guestAddress, size, userAddress } = description;
      iotlb.update(guestAddress + 2n ** 40n, size, userAddress, 3);
    }
  }
  const device = createDeviceQueue({
    size: SIZE,
    memory: { descriptors: locate(descriptors), driver: locate(available), device: locate(used) },
    space: iommu ? iotlb : table,
    features,
    base: ringFormat(false).freshBase,
  });
  const chain = createChainCursor();
  const segments = new SegmentList(2);
  let completed = 0;
  const done = (): void => {
    completed += 1;
  };
  const run = (): number => {
    completed = 0;
    const started = performance.now();
    for (let i = 0; i < REQUESTS; i += 1) {
      // 257 and 509 have no common divisor: all of them, and never two neighbours.
      const buffer = buffers[(i * 257) % BUFFERS];
      if (buffer === undefined) continue;
      segments.clear();
      segments.pushPart(buffer, 0, 16);
      segments.pushPart(buffer, 64, 512);
      driver.add(segments, 1, 0);
      driver.publish();
      if (device.next(chain)) device.complete(chain.id, 512);
      device.publish();
      driver.poll(done, 1);
    }
    const spent = performance.now() - started;
    if (completed !== REQUESTS) throw new Error(`${completed} of ${REQUESTS} requests completed`);
    return (spent / REQUESTS) * 1e6;
  };
  const close = (): void => {
    table.close();
    memory.close();
  };
  return { run, close };
}

for (const iommu of [false, true]) {
  const rings = REGION_COUNTS.map((regions) => ({
    regions,
    ...makeRing(regions, iommu),
    best: Infinity,
  }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const ring of rings) ring.best = Math.min(ring.best, ring.run());
  }
  console.log(iommu ? "I/O virtual addresses" : "guest addresses");
  const first = rings[0]?.best ?? 1;
  for (const { regions, best } of rings) {
    const ratio = (best / first).toFixed(2);
    console.log(
      `  ${String(regions).padStart(3)} regions  ${best.toFixed(0).padStart(5)} ns a request  x ${ratio}`,
    );
  }
  for (const { close } of rings) close();
}
