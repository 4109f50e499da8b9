import assert from "node:assert/strict";
import { test } from "node:test";
import { Deferred } from "../../../../src/core/base/index.ts";
import { together } from "../../../../src/endpoints/frontend/together.ts";

test("waits for all, and throws the error of the first in order, whichever failed first", async () => {
  const [first, second, third] = [0, 1, 2].map(() => new Deferred<void>());
  assert.ok(first && second && third);
  let over = false;
  const all = together([first.promise, second.promise, third.promise]).finally(() => (over = true));
  all.catch(() => undefined);
  third.reject(new Error("third"));
  second.reject(new Error("second"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(over, false);
  first.resolve();
  await assert.rejects(all, /^Error: second$/);
});

test("nothing at all, and requests that went well", async () => {
  await together([]);
  await together([Promise.resolve(1), Promise.resolve()]);
});
