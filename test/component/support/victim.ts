import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { DescriptorFlag, type RingWords } from "../../../src/core/virtqueue/index.ts";
import { completions } from "./chain-bytes.ts";
import { makeRings, type RingOptions, type Rings, segmentsOf } from "./rings.ts";

const { Write, Available, Used } = DescriptorFlag;

/** A driver half whose device keeps no rule. */
export interface Victim extends Rings {
  /** The id under which the device knows the n-th of the first requests. */
  idOf(request: number): number;
  /**
   * Writes the next used element or descriptor, whose id and length need not be right.
   *
   * @param flags of a used descriptor
   * @param skip by how many descriptors the next one is behind this one
   */
  use(id: number, length: number, flags?: number, skip?: number): void;
  /** Takes completions as [token, written]. */
  poll(max?: number): [token: number, written: number][];
  /** Publishes requests of 8 readable and 16 writable bytes; tokens count up. */
  submit(count: number): void;
}

/** Makes a ring and nothing on it. */
export function victim(t: TestContext, options: RingOptions): Victim {
  const rings = makeRings(t, options);
  const { driver, memory } = rings;
  const { guestAddress } = memory.allocate(64);
  const segments = segmentsOf([guestAddress, 8], [guestAddress + 8, 16]);
  let token = 0;
  return {
    ...rings,
    // Of a split ring it is the head, and a request has two descriptors.
    idOf: (request) => (driver.raw.format === "split" ? 2 * request : request),
    use: usedWriter(driver.raw),
    poll: (max = 100) => completions(driver, max),
    submit(count) {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 1, token++));
      driver.publish();
    },
  };
}

/** Nothing more is taken or added, and nothing throws. */
export function assertBroken(on: Victim, reason: RegExp): void {
  assert.deepEqual(on.poll(), []);
  assert.match(on.driver.broken?.reason ?? "not broken", reason);
  const section = on.driver.raw.format === "split" ? "2.7.8" : "2.8.6";
  assert.equal(on.driver.broken?.section, section);
  on.use(0, 0);
  assert.deepEqual(on.poll(), []);
  assert.equal(on.driver.add(segmentsOf([0, 1]), 1, 5), false);
  on.driver.publish();
  on.driver.enableNotifications();
  on.driver.disableNotifications();
}

function usedWriter(raw: RingWords): Victim["use"] {
  let at = 0;
  if (raw.format === "split") {
    return (id, length) => {
      const slot = 1 + 2 * (at % raw.size);
      raw.used32[slot] = id;
      raw.used32[slot + 1] = length;
      at = (at + 1) & 0xffff;
      Atomics.store(raw.used16, 1, at);
    };
  }
  let wrap = true;
  return (id, length, flags = Write, skip = 2) => {
    raw.descriptors[at * 4 + 2] = length;
    raw.descriptors16[at * 8 + 6] = id;
    Atomics.store(raw.descriptors16, at * 8 + 7, flags | (wrap ? Available | Used : 0));
    at += skip;
    if (at >= raw.size) {
      at -= raw.size;
      wrap = !wrap;
    }
  };
}
