/**
 * Each half of a ring beside a thread that rewrites its memory (checks hostile/20 to 22): it stays
 * alive, within bounds, and what it reports names a rule. Used for seconds and for minutes.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { GuestMemory, Region, RegionTable } from "../../../src/core/memory/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  createDriverQueue,
  type DriverQueue,
  type RingFeatures,
  ringFormat,
} from "../../../src/core/virtqueue/index.ts";
import { Flipper, type FlipTarget } from "./flipper.ts";
import { describeRegion, PAGE, unsealedFile } from "./memory.ts";
import { locateRing, segmentsOf } from "./rings.ts";
import { assertInside } from "./spans.ts";

const SIZE = 8;
/** Pages in front of the shared region and behind it, in the same file. */
const CANARY_PAGES = 4;
const CANARY = 0xc5;

export interface FlipOutcome {
  readonly flips: number;
  /** Chains that were served, or requests that completed. */
  readonly served: number;
  /** How often the ring broke, by section of the rule. */
  readonly broken: ReadonlyMap<string, number>;
}

/** The device half takes and completes chains, and writes into all that it is given. */
export async function flipUnderDevice(
  t: TestContext,
  features: RingFeatures,
  durationMs: number,
): Promise<FlipOutcome> {
  const memory = new GuestMemory({ size: 1 << 16 });
  t.after(() => memory.close());
  const driver = createDriverQueue({ size: SIZE, memory, features });
  const tables = memory.allocate(16 * SIZE);
  const { guestAddress: good } = memory.allocate(PAGE);
  const whole = memory.regions[0] ?? assert.fail();
  const size = whole.end - whole.start;
  // The device's view: the same guest addresses, over a file with canaries around them.
  const margin = CANARY_PAGES * PAGE;
  const file = unsealedFile(size + 2 * margin);
  const everything = new Region(describeRegion(0, size + 2 * margin), file.duplicate());
  t.after(() => everything.close());
  const { bytes } = everything.view(0, size).window;
  bytes.fill(CANARY, 0, margin).fill(CANARY, margin + size);
  const table = new RegionTable();
  t.after(() => table.close());
  const { userAddress } = whole.description;
  table.replace([
    new Region(
      describeRegion(whole.start, size, { userAddress, mmapOffset: BigInt(margin) }),
      file,
    ),
  ]);

  const low = whole.start % 2 ** 32;
  const high = Math.floor(whole.start / 2 ** 32);
  const at = (address: number): number => address - whole.start + margin;
  const { descriptors, driver: available } = driver.parts;
  const addresses = [good, tables.guestAddress, descriptors.guestAddress].map((a) => a % 2 ** 32);
  const tails = features.packed
    ? [0, 1, 2, 4].flatMap((flags) =>
        [0x80, 0x8000].map((wrapBit) => ((flags | wrapBit) << 16) | 3),
      )
    : [0, 1, 2, 3, 4].flatMap((flags) => [0, 1, 5, 8].map((next) => flags | (next << 16)));
  const values = [
    [...addresses, low + size - 8, 0xffff_fff0],
    [high, high, high, 0],
    [1, 16, 64, 128, 4096],
    tails,
  ];
  const targets: FlipTarget[] = [
    { offset: at(descriptors.guestAddress), words: 4 * SIZE, values },
    { offset: at(tables.guestAddress), words: 4 * SIZE, values },
  ];
  if (!features.packed) {
    const heads = [0x0001_0000, 0x0003_0002, 0x0005_0004, 0x0007_0006, 0x0009_0001];
    const entries = at(available.guestAddress) + 4;
    targets.push({ offset: entries, words: SIZE / 2, values: [heads] });
  }
  const flipper = await Flipper.start(file.fd, size + 2 * margin, targets);
  const broken = new Map<string, number>();
  let served = 0;
  const chain = createChainCursor();
  try {
    const ring = locateRing(table, driver);
    let base = ringFormat(features.packed === true).freshBase;
    const goesOn = course(durationMs, () => served > 0 && broken.size > 0);
    for (let round = 0; goesOn(); round += 1) {
      const device = createDeviceQueue({ size: SIZE, memory: ring, space: table, features, base });
      for (let i = 0; i < 200 && device.broken === undefined; i += 1) {
        if (device.raw.format === "split") Atomics.add(device.raw.available, 1, 1);
        if (!device.next(chain)) continue;
        assertInside(chain, table);
        for (let span = chain.readableSpans; span < chain.spans.count; span += 1) {
          const from = chain.spans.offsets[span] ?? 0;
          const to = from + Math.min(64, chain.spans.lengths[span] ?? 0);
          chain.spans.windows[span]?.bytes.fill(i, from, to);
        }
        served += 1;
        device.complete(chain.id, chain.writableBytes);
        device.publish();
        device.enableNotifications();
      }
      assert.ok(device.inFlight <= SIZE);
      if (device.broken !== undefined) {
        const { section } = device.broken;
        broken.set(section, (broken.get(section) ?? 0) + 1);
      }
      base = features.packed
        ? (((round % SIZE) | 0x8000) * 0x1_0001) >>> 0
        : Atomics.load(new Uint16Array(ring.driver.window.bytes.buffer, ring.driver.offset, 2), 1);
      if (round % 64 === 0) await setImmediate();
    }
  } finally {
    await flipper.stop();
  }
  const margins = [bytes.subarray(0, margin), bytes.subarray(margin + size)];
  assert.ok(
    margins.every((part) => part.every((byte) => byte === CANARY)),
    "canaries",
  );
  return { flips: flipper.flips, served, broken };
}

/** How long an attack goes on at most until it has shown something, milliseconds. */
const PATIENCE_MS = 30_000;

/**
 * Whether an attack goes on: for its time, and on a machine where the two threads hardly ever run
 * at once, until it has shown something.
 */
function course(durationMs: number, hasShown: () => boolean): () => boolean {
  const end = performance.now() + durationMs;
  return () => performance.now() < end || (!hasShown() && performance.now() < end + PATIENCE_MS);
}

/** The driver half sends requests to a device half whose ring is rewritten meanwhile. */
export async function flipUnderDriver(
  t: TestContext,
  features: RingFeatures,
  durationMs: number,
): Promise<FlipOutcome> {
  const memory = new GuestMemory({ size: 1 << 16 });
  t.after(() => memory.close());
  const table = new RegionTable();
  t.after(() => table.close());
  table.replace(
    memory.regions.map(({ description, fd }) => new Region(description, fd.duplicate())),
  );
  const driver = createDriverQueue({ size: SIZE, memory, features });
  const { guestAddress } = memory.allocate(64);
  const segments = segmentsOf([guestAddress, 8], [guestAddress + 8, 16]);
  const region = memory.regions[0] ?? assert.fail();
  const flipper = await Flipper.start(
    region.fd.fd,
    region.end - region.start,
    usedTargets(driver, region.start),
  );
  const broken = new Map<string, number>();
  let served = 0;
  try {
    const ring = locateRing(table, driver);
    const base = ringFormat(features.packed === true).freshBase;
    const makeDevice = () =>
      createDeviceQueue({ size: SIZE, memory: ring, space: table, features, base });
    let device = makeDevice();
    const chain = createChainCursor();
    /** 1: out, 2: completed. */
    let tokens = new Map<number, number>();
    let token = 0;
    const done = (given: number, written: number): void => {
      assert.equal(
        tokens.get(given),
        1,
        "a token is completed once, and only if it is outstanding",
      );
      assert.ok(written >= 0 && written <= 16);
      tokens.delete(given);
      served += 1;
    };
    const goesOn = course(durationMs, () => served > 0 && broken.size > 0);
    for (let round = 0; goesOn(); round += 1) {
      for (let i = 0; i < 3 && driver.add(segments, 1, token); i += 1) {
        tokens.set(token, 1);
        token = (token + 1) & 0xffff;
      }
      driver.publish();
      while (device.next(chain)) device.complete(chain.id, 16);
      device.publish();
      driver.poll(done, SIZE);
      driver.enableNotifications();
      assert.equal(driver.outstanding, tokens.size);
      assert.ok(driver.outstanding <= SIZE);
      // Stuck is what a device may make it; broken is what it may become.
      if (driver.broken !== undefined || device.broken !== undefined || round % 512 === 511) {
        if (driver.broken !== undefined) {
          const { section } = driver.broken;
          broken.set(section, (broken.get(section) ?? 0) + 1);
        }
        const dropped: number[] = [];
        driver.reset((given) => dropped.push(given));
        assert.deepEqual(
          dropped.sort((a, b) => a - b),
          [...tokens.keys()].sort((a, b) => a - b),
        );
        tokens = new Map();
        device = makeDevice();
      }
      if (round % 64 === 0) await setImmediate();
    }
  } finally {
    await flipper.stop();
  }
  return { flips: flipper.flips, served, broken };
}

/** All that a device may write: used ring or descriptors, and its event area. */
function usedTargets({ parts, raw }: DriverQueue, start: number): FlipTarget[] {
  const device = parts.device.guestAddress - start;
  const lengths = [0, 8, 16, 17];
  if (raw.format === "split") {
    const elements = {
      offset: device + 4,
      words: 2 * SIZE,
      values: [[0, 1, 2, 3, 8, 0x1_0000], lengths],
    };
    // Flags and idx: now and then, or nothing would ever complete.
    return [
      elements,
      elements,
      elements,
      { offset: device + 4 + 8 * SIZE - 8, words: 2, values: [[0]] },
    ];
  }
  const tails = [0x8080, 0x8082, 0, 0x82].flatMap((flags) =>
    [0, 1, 2, 8].map((id) => (flags << 16) | id),
  );
  return [
    {
      offset: parts.descriptors.guestAddress - start,
      words: 4 * SIZE,
      values: [[0], [0], lengths, tails],
    },
    { offset: device, words: 1, values: [[0, 0x1_0000, 0x2_8003, 0x3_ffff]] },
  ];
}

export const FLIP_CASES: readonly RingFeatures[] = [false, true].flatMap((packed) =>
  [false, true].map((inOrder) => ({ packed, inOrder, indirect: true, eventIdx: true })),
);

export function describeOutcome({ flips, served, broken }: FlipOutcome): string {
  const order = [...broken].sort(([a], [b]) => a.localeCompare(b));
  const sections = order.map(([section, count]) => `${section} ${count} times`);
  return `${flips} words rewritten, ${served} served; broken by ${sections.join(", ") || "nothing"}`;
}
