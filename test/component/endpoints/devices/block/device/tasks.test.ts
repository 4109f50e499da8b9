/** What a ring leaves behind when it stops with its requests in flight. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockTasks } from "../../../../../../src/endpoints/devices/block/device/tasks.ts";
import { IoKind } from "../../../../../../src/endpoints/storage/index.ts";
import { guardLeaks } from "../../../../../support/leak-guard.ts";
import { makeDisk, runningQueue } from "../../../../support/block.ts";

guardLeaks();

for (const [name, kind] of Object.entries(IoKind)) {
  const waits = kind !== IoKind.Flush;
  test(`a stop ${waits ? "waits" : "does not wait"} for a request in flight: ${name}`, async (t) => {
    const running = runningQueue(makeDisk(t).device);
    const tasks = new BlockTasks();
    const task = tasks.take();
    task.kind = kind;
    task.running = running;
    tasks.start(task, running);
    const suspended = tasks.suspend(running.index);
    assert.equal(suspended !== undefined, waits);
    tasks.endSuspended(task);
    await suspended;
  });
}
