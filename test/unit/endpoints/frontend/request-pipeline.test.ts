import assert from "node:assert/strict";
import { test } from "node:test";
import { TimeoutError } from "../../../../src/core/base/index.ts";
import {
  RequestPipeline,
  type SlotHandler,
  type SlotQueue,
} from "../../../../src/endpoints/frontend/index.ts";
import { SlotPool } from "../../../../src/core/virtqueue/index.ts";

/** A queue that completes what the test asks for. */
class ScriptedQueue implements SlotQueue {
  failure: Error | undefined;
  readonly handler: SlotHandler;
  readonly pool: SlotPool;

  constructor(handler: SlotHandler, depth: number) {
    this.handler = handler;
    this.pool = new SlotPool(depth);
  }

  acquire(): number {
    return this.pool.acquire();
  }

  release(slot: number): void {
    this.pool.release(slot);
  }
}

function setUp(queues = 1, depth = 1) {
  const pipeline = new RequestPipeline<ScriptedQueue>();
  const made = Array.from({ length: queues }, () =>
    pipeline.add((handler) => new ScriptedQueue(handler, depth)),
  );
  const sent: (readonly [queue: number, slot: number])[] = [];
  const request = {
    what: "a request",
    submit: (queue: ScriptedQueue, slot: number) => void sent.push([made.indexOf(queue), slot]),
    complete: (_queue: ScriptedQueue, _slot: number, detail: number) => detail,
  };
  return { pipeline, made, sent, request };
}

/** Lets what is ready run. */
const settle = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("queues take turns, and a request without a free slot waits for one", async () => {
  const { pipeline, made, sent, request } = setUp(2);
  const results = [1, 2, 3].map(async () => pipeline.send(request));
  await settle();
  assert.deepEqual(sent, [
    [1, 0],
    [0, 0],
  ]);
  made[1]?.handler.done(0, 11);
  assert.equal(await results[0], 11);
  await settle();
  assert.deepEqual(sent[2], [1, 0]);
  made[0]?.handler.done(0, 22);
  made[1]?.handler.done(0, 33);
  assert.deepEqual(await Promise.all(results), [11, 22, 33]);
});

test("a request that timed out keeps its slot until the device completes it", async () => {
  const { pipeline, made, request } = setUp();
  let reads = 0;
  const late = { ...request, complete: () => (reads += 1) };
  await assert.rejects(pipeline.send(late, { timeoutMs: 1 }), TimeoutError);
  assert.equal(made[0]?.pool.free, 0);
  made[0]?.handler.done(0, 0);
  assert.equal(reads, 0);
  assert.equal(made[0]?.pool.free, 1);
});

test("what submit and complete throw rejects the request and frees its slot", async () => {
  const { pipeline, made, request } = setUp();
  const fails = (): never => {
    throw new RangeError("no room");
  };
  await assert.rejects(pipeline.send({ ...request, submit: fails }), RangeError);
  assert.equal(made[0]?.pool.free, 1);
  const refused = pipeline.send({ ...request, complete: fails });
  await settle();
  made[0]?.handler.done(0, 0);
  await assert.rejects(refused, RangeError);
  assert.equal(made[0]?.pool.free, 1);
});

test("a queue that fails rejects what it has and what waits for it", async () => {
  const { pipeline, made, request } = setUp();
  const results = [1, 2].map(async () => pipeline.send(request));
  await settle();
  const failure = new Error("the ring broke");
  if (made[0]) made[0].failure = failure;
  made[0]?.handler.failed(failure);
  for (const result of results) await assert.rejects(result, failure);
});

test("a slot pool hands out the slot that was released last", () => {
  const pool = new SlotPool(2);
  assert.deepEqual([pool.acquire(), pool.peek(), pool.acquire(), pool.acquire()], [0, 1, 1, -1]);
  pool.release(0);
  pool.release(1);
  assert.deepEqual([pool.free, pool.taken, pool.acquire()], [2, 0, 1]);
});
