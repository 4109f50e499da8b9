import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { test } from "node:test";
import type { RingDriverHost } from "../../../../../src/core/runtime/index.ts";
import { createRingDriver } from "../../../../../src/lab/kits/net/workloads/load.ts";

test("frames that arrive after the end of a measurement are in neither of its counts", () => {
  const host = {
    queue: { size: 4, addSingles: () => 4 },
    memory: { allocate: (bytes: number) => ({ address: 0, bytes: new Uint8Array(bytes) }) },
    features: 0n,
    publish: () => undefined,
  } as unknown as RingDriverHost;
  const load = createRingDriver(host, {
    direction: "rx",
    frameBytes: 64,
    depth: 4,
    batch: 1,
    warmUpMs: 0,
    durationMs: 5,
    idle: false,
    progress: new SharedArrayBuffer(8),
  });
  const deadline = performance.now() + 1000;
  let frames = 0;
  const turn = (): void => {
    load.done(0, 76);
    load.submit();
    frames += 1;
  };
  while (load.finished !== true && performance.now() < deadline) turn();
  const atEnd = frames;
  // The thread's other ring has not finished yet.
  for (let i = 0; i < 100; i += 1) turn();
  const result = load.result?.() as { readonly frames: number; readonly perSecond: number[] };
  assert.ok(result.frames > 0 && result.frames <= atEnd, `${result.frames} of ${atEnd}`);
  assert.deepEqual(result.perSecond, [result.frames]);
});
