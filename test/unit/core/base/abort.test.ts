import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Deferred, delay, onAbort, TimeoutError } from "../../../../src/core/base/index.ts";

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}

test("gives what it is resolved with, and only the first of it", async () => {
  const wait = new Deferred<number>();
  assert.equal(wait.settled, false);
  wait.resolve(1);
  wait.resolve(2);
  wait.reject(new Error("late"));
  assert.equal(wait.settled, true);
  assert.equal(await wait.promise, 1);
});

test("a time-out rejects, with the caller's own error where there is one", async () => {
  await assert.rejects(new Deferred({ timeoutMs: 1 }).promise, TimeoutError);
  const own = new Error("own");
  await assert.rejects(new Deferred({ timeoutMs: 1 }, () => own).promise, (error) => error === own);
});

test("an abort rejects with the signal's reason, also one from before", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const wait = new Deferred({ signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(wait.promise, (error) => error === reason);
  await assert.rejects(
    new Deferred({ signal: controller.signal, timeoutMs: 1000 }).promise,
    (error) => error === reason,
  );
});

test("an abort before a caller waits is not an unhandled rejection", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const wait = new Deferred({ signal: controller.signal });
  controller.abort(reason);
  await setImmediate();
  await assert.rejects(wait.promise, (error) => error === reason);
});

test("neither timer nor listener stays once it is settled", async () => {
  const before = timers();
  const { signal } = new AbortController();
  const wait = new Deferred<void>({ signal, timeoutMs: 60_000 });
  assert.equal(timers(), before + 1);
  assert.equal(getEventListeners(signal, "abort").length, 1);
  wait.resolve();
  await wait.promise;
  assert.equal(timers(), before);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a hundred waits on one signal share a listener, and Node.js prints no warning", async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  const controller = new AbortController();
  const { signal } = controller;
  const waits = Array.from({ length: 100 }, () => new Deferred<void>({ signal }));
  assert.equal(getEventListeners(signal, "abort").length, 1);
  for (const wait of waits.slice(1)) wait.resolve();
  assert.equal(getEventListeners(signal, "abort").length, 1);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(waits[0]?.promise ?? Promise.resolve(), (error) => error === reason);
  await setImmediate();
  assert.deepEqual(warnings, []);
});

test("a function is called once at the abort, unless it was removed before or during it", () => {
  const calls: string[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  onAbort(signal, () => {
    calls.push("first");
    removeDuring();
    onAbort(signal, () => calls.push("added during the abort"));
  });
  const removeBefore = onAbort(signal, () => calls.push("removed before"));
  const removeDuring = onAbort(signal, () => calls.push("removed during"));
  removeBefore();
  removeBefore();
  controller.abort();
  onAbort(signal, () => calls.push("added after the abort"));
  assert.deepEqual(calls, ["first"]);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a delay ends by itself or by the signal, and leaves no timer", async () => {
  const before = timers();
  await delay(1);
  const controller = new AbortController();
  const wait = delay(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(wait, /enough/);
  assert.equal(timers(), before);
});
