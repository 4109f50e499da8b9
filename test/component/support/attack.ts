import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type ChainCursor, createChainCursor } from "../../../src/core/virtqueue/index.ts";
import type { RawDescriptor } from "../../../src/lab/wire/index.ts";
import { nextBounded } from "./bounded.ts";
import { PAGE } from "./memory.ts";
import { type RawDriver, rawDriver } from "./raw-driver.ts";
import { makeRings, type RingOptions, type Rings } from "./rings.ts";

/** A device half whose driver keeps no rule. */
export interface Attack extends Rings {
  readonly raw: RawDriver;
  readonly chain: ChainCursor;
  /** Guest address of 4096 bytes of shared memory. */
  readonly good: number;
}

/** Makes a ring with indirect tables, and nothing available. */
export function attack(t: TestContext, options: RingOptions): Attack {
  const rings = makeRings(t, { indirect: true, ...options });
  const good = rings.memory.allocate(PAGE).guestAddress;
  return { ...rings, raw: rawDriver(rings.driver), chain: createChainCursor(), good };
}

/** The chain is refused for that reason, after bounded work, and the ring stays broken without a throw. */
export function assertBreaks(on: Attack, reason: RegExp, section: string): void {
  assert.equal(nextBounded(on.device, on.chain), false);
  assert.match(on.device.broken?.reason ?? "not broken", reason);
  assert.equal(on.device.broken?.section, section);
  on.raw.chain({ address: on.good, length: 1 });
  const fault = on.device.broken;
  for (let i = 0; i < 3; i += 1) assert.equal(on.device.next(on.chain), false);
  assert.equal(on.device.broken, fault, "the first reason stays");
  on.device.publish();
  on.device.disableNotifications();
  on.device.enableNotifications();
  assert.equal(on.device.inFlight, 0);
}

/** The chain is taken as one that cannot be reached, and the ring goes on. */
export function assertUnreachable(on: Attack, reason: RegExp, section: string): void {
  assert.ok(nextBounded(on.device, on.chain), on.device.broken?.reason);
  assert.match(on.chain.unreachable?.reason ?? "reachable", reason);
  assert.equal(on.chain.unreachable?.section, section);
  const { spans } = on.chain;
  let bytes = 0;
  for (let i = 0; i < spans.count; i += 1) {
    bytes += spans.lengths[i] ?? 0;
    assert.equal(spans.windows[i], undefined);
  }
  assert.equal(bytes, on.chain.readableBytes + on.chain.writableBytes);
  on.device.complete(on.chain.id, 0);
  on.device.publish();
  on.raw.chain({ address: on.good, length: 1 });
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.equal(on.chain.unreachable, undefined);
  assert.equal(on.device.broken, undefined);
}

/** The chain is refused as the first one of a ring, in any order and in order. */
export function assertRefuses(
  t: TestContext,
  options: RingOptions,
  describe: (on: Attack) => readonly RawDescriptor[],
  reason: RegExp,
  section: string,
): void {
  for (const inOrder of [false, true]) {
    const on = attack(t, { ...options, inOrder });
    on.raw.chain(...describe(on));
    assertBreaks(on, reason, section);
  }
}
