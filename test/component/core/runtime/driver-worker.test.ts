import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { GuestMemory, lendArena } from "../../../../src/core/memory/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { DriverWorker } from "../../../../src/core/runtime/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { fillCounter, makeBlocking } from "../../../support/open-file.ts";

guardLeaks();

const DRIVER = new URL("../../support/counted-driver.js", import.meta.url);
const BYTES = 1 << 16;

test("a driver that its peer has blocked in a kick stops on request", async (t) => {
  const memory = new GuestMemory({ size: 4 * BYTES });
  const [kick, call] = [EventFd.create(), EventFd.create()];
  t.after(() => {
    for (const used of [memory, kick, call]) used.close();
  });
  const counts = new Int32Array(new SharedArrayBuffer(8));
  counts[0] = 1;
  const { handle, lent } = lendArena(memory.regions, memory.allocate(BYTES, 4096));
  const [kickFd, callFd] = [kick.descriptor.fd, call.descriptor.fd];
  const worker = new DriverWorker(
    {
      rings: [{ arena: handle, size: 16, data: counts.buffer, kick: kickFd, call: callFd }],
      ringFeatures: { eventIdx: false, indirect: false },
      features: 0n,
      mode: "event",
      module: String(DRIVER),
    },
    "test",
  );
  t.after(() => worker.close());
  await worker.ready;
  lent.close();
  worker.go();
  while (!kick.drain()) await setImmediate();
  const { fd } = kick.descriptor;
  makeBlocking(fd);
  fillCounter(fd);
  Atomics.store(counts, 0, 2);
  while (Atomics.load(counts, 1) < 2) await setImmediate();
  // The second kick found the counter full and the descriptor in blocking mode.
  worker.ask("leave");
  const [left] = await worker.left;
  assert.equal(left?.result, 2);
});
