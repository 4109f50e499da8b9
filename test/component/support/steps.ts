import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { createChainCursor, type PackedRingWords } from "../../../src/core/virtqueue/index.ts";
import { makeRings, type RingOptions, type Rings, segmentsOf } from "./rings.ts";

/** A ring whose two halves take turns, without a look at any notification. */
export interface Steps extends Rings {
  /** Publishes a number of requests of one descriptor; returns whether the device wants a kick. */
  readonly submit: (count?: number) => boolean;
  /** Serves up to a number of requests; returns whether the driver wants a call. */
  readonly serve: (count?: number) => boolean;
  /** Takes all completions; returns their number. */
  readonly collect: () => number;
  /** Leaves both halves where this many requests bring them. */
  readonly advance: (requests: number) => void;
}

/** Gives a ring its steps. */
export function stepsOf<R extends Rings>(rings: R): R & Steps {
  const { driver, device, memory } = rings;
  const segments = segmentsOf([memory.allocate(16).guestAddress, 16]);
  const chain = createChainCursor();
  let token = 0;
  const steps = {
    submit(count = 1) {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 0, token++ & 0xff));
      return driver.publish();
    },
    serve(count = 1) {
      for (let i = 0; i < count && device.next(chain); i += 1) device.complete(chain.id, 1);
      return device.publish();
    },
    collect: () => driver.poll(() => undefined, 2 ** 20),
    advance(requests: number) {
      for (let left = requests; left > 0;) {
        const count = Math.min(driver.size, left);
        steps.submit(count);
        steps.serve(count);
        assert.equal(steps.collect(), count);
        left -= count;
      }
    },
  };
  return { ...rings, ...steps };
}

/** Makes a packed ring whose words a test reads and writes. */
export function makePacked(
  t: TestContext,
  options: RingOptions = {},
): Steps & { readonly raw: PackedRingWords } {
  const rings = makeRings(t, { ...options, packed: true });
  const { raw } = rings.driver;
  assert.ok(raw.format === "packed");
  return { ...stepsOf(rings), raw };
}
