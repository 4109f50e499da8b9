/**
 * What a request costs on the way through both halves of a ring, with nothing behind it:
 * nanoseconds and bytes of garbage, per request and by operation. A few bytes are the clock's own.
 *
 *     node --expose-gc --min-semi-space-size=512 --max-semi-space-size=512 dist/bench/ring-garbage.js \
 *       [requests [format]]
 *
 * Then the same as it is when both sides look all the time, one request or 64 at once, and without a
 * clock, over ten million requests by default: there the heap must not grow at all, but
 * for what compiling leaves.
 *
 * The semi-space is that large so that nothing is collected meanwhile.
 */
import { GuestMemory, InflightRegion, Region, RegionTable } from "../src/core/memory/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  createDriverQueue,
  ringFormat,
  SegmentList,
} from "../src/core/virtqueue/index.ts";

const SIZE = 256;
const DEPTH = 64;
const SLICES = 50;
const requests = Number(process.argv[2] ?? 10_000_000);
/** With the clock. */
const timed = Math.min(requests, 1_000_000);
if (globalThis.gc === undefined) throw new Error("run with: node --expose-gc");

interface Features {
  readonly packed: boolean;
  readonly indirect: boolean;
  readonly eventIdx: boolean;
  readonly inOrder: boolean;
}

const formats = process.argv[3] === undefined ? ["split", "packed"] : [process.argv[3]];
for (const format of formats) {
  for (const indirect of [false, true]) {
    for (const eventIdx of [false, true]) {
      for (const inOrder of [false, true]) {
        const features = { packed: format === "packed", indirect, eventIdx, inOrder };
        measure(features, 1);
        if (!inOrder) measure(features, 32);
        if (!inOrder && indirect && eventIdx) measure(features, 1, true);
      }
    }
  }
}

/** @param tracked with an in-flight region */
function measure(features: Features, regions: number, tracked = false): void {
  const memory = new GuestMemory({ size: regions << 22, regions });
  const table = new RegionTable();
  table.replace(
    memory.regions.map(({ description, fd }) => new Region(description, fd.duplicate())),
  );
  const driver = createDriverQueue({ size: SIZE, memory, features });
  const locate = (part: { userAddress: bigint; bytes: Uint8Array }) => {
    const view = table.locate(part.userAddress, part.bytes.length);
    if (view === undefined) throw new Error("the ring is not in the table");
    return view;
  };
  const { descriptors, driver: available, device: used } = driver.parts;
  const ring = {
    descriptors: locate(descriptors),
    driver: locate(available),
    device: locate(used),
  };
  const { description, fd } = InflightRegion.create(1, SIZE, features.packed);
  const region = new InflightRegion(description, fd, features.packed);
  const device = createDeviceQueue({
    size: SIZE,
    memory: ring,
    space: table,
    features,
    base: ringFormat(features.packed).freshBase,
    inflight: tracked ? region.area(0, features.packed) : undefined,
  });

  // Spread over all regions, so that neighbouring requests do not share one.
  const buffers = Array.from({ length: DEPTH }, () =>
    memory.allocate(regions === 1 ? 8192 : 1 << 20, 64),
  );
  const chain = createChainCursor();
  const segments = new SegmentList(3);
  const spent = { add: 0n, next: 0n, poll: 0n, publish: 0n };
  let completed = 0;
  const done = (): void => {
    completed += 1;
  };

  const add = (depth: number): void => {
    for (let slot = 0; slot < depth; slot += 1) {
      const buffer = buffers[slot];
      if (buffer === undefined) throw new Error("more slots than buffers");
      segments.clear();
      segments.pushPart(buffer, 0, 16);
      segments.pushPart(buffer, 32, 4096);
      segments.pushPart(buffer, 16, 1);
      driver.add(segments, 1, slot);
    }
  };
  const serve = (depth: number): void => {
    for (let i = 0; i < depth && device.next(chain); i += 1) device.complete(chain.id, 4097);
  };
  /** Both sides poll: neither kicks nor calls. */
  const runPolling = (count: number, depth: number): void => {
    for (let left = count; left > 0; left -= depth) {
      add(depth);
      driver.publish();
      serve(depth);
      device.publish();
      driver.poll(done, depth);
    }
  };
  const run = (count: number): void => {
    for (let left = count; left > 0; left -= DEPTH) {
      const t0 = process.hrtime.bigint();
      add(DEPTH);
      const t1 = process.hrtime.bigint();
      driver.publish();
      const t2 = process.hrtime.bigint();
      serve(DEPTH);
      const t3 = process.hrtime.bigint();
      device.publish();
      device.enableNotifications();
      const t4 = process.hrtime.bigint();
      driver.poll(done, DEPTH);
      driver.enableNotifications();
      const t5 = process.hrtime.bigint();
      spent.add += t1 - t0;
      spent.publish += t2 - t1 + (t4 - t3);
      spent.next += t3 - t2;
      spent.poll += t5 - t4;
    }
  };

  const reset = (): void => {
    for (const key of Object.keys(spent)) spent[key as keyof typeof spent] = 0n;
  };
  run(100_000);
  completed = 0;
  globalThis.gc?.();
  // The best of the slices: what the code costs, and not what else the machine does. Garbage is the
  // median of them, as code that is compiled again meanwhile leaves some of its own.
  const growth: number[] = [];
  let best = Infinity;
  let shares = "";
  for (let slice = 0; slice < SLICES; slice += 1) {
    reset();
    const before = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    run(timed / SLICES);
    const took = Number(process.hrtime.bigint() - start);
    growth.push(process.memoryUsage().heapUsed - before);
    if (took >= best) continue;
    best = took;
    shares = Object.entries(spent)
      .map(([name, value]) => `${name} ${((Number(value) * SLICES) / timed).toFixed(0)}`)
      .join(", ");
  }
  const median = growth.sort((a, b) => a - b)[SLICES / 2] ?? 0;
  const garbage = (median * SLICES) / timed;
  process.stdout.write(
    `${features.packed ? "packed" : "split "} ${features.indirect ? "indirect" : "direct  "} ${features.eventIdx ? "event-idx" : "flags    "} ${features.inOrder ? "in-order " : "any order"} ${tracked ? "tracked" : "       "} ` +
      `${String(regions).padStart(2)} regions: ${((best * SLICES) / timed).toFixed(0)} ns/request (${shares}), ` +
      `${garbage.toFixed(2)} bytes of heap/request, ${completed} completed\n`,
  );
  driver.disableNotifications();
  device.disableNotifications();
  for (const depth of [1, DEPTH]) {
    runPolling(100_000, depth);
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    runPolling(requests, depth);
    const grown = process.memoryUsage().heapUsed - before;
    process.stdout.write(
      `${" ".repeat(37)}polling, depth ${depth}: the heap grew by ${grown} bytes in ${requests} requests\n`,
    );
  }
  region.close();
  table.close();
  memory.close();
}
