import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { EventFd, Mapping, Poller, SharedMemory } from "../../../../src/core/os/index.ts";
import {
  guardLeaks,
  leaksBetween,
  settledLeaks,
  takeResources,
} from "../../../support/leak-guard.ts";

guardLeaks();

test("finds nothing when everything was closed", async () => {
  const before = takeResources();
  using event = EventFd.create();
  event.close();
  assert.deepEqual(await settledLeaks(before), []);
});

test("names an open descriptor", () => {
  const before = takeResources();
  using event = EventFd.create();
  assert.deepEqual(leaksBetween(before, takeResources()), [
    `descriptor ${event.descriptor.fd}: anon_inode:[eventfd]`,
  ]);
});

test("names a mapping that was not unmapped", () => {
  using memory = SharedMemory.create("leaky", 4096);
  const before = takeResources();
  using mapping = Mapping.map(memory.fd.fd, { offset: 0, length: 4096, writable: true });
  const [leak, ...more] = leaksBetween(before, takeResources());
  assert.match(leak ?? "", /^mapping .*memfd:leaky/);
  assert.deepEqual(more, []);
  assert.equal(mapping.bytes.length, 4096);
});

test("names a running timer", () => {
  const before = takeResources();
  const timer = setTimeout(() => undefined, 60_000);
  assert.deepEqual(leaksBetween(before, takeResources()), ["1 active Timeout"]);
  clearTimeout(timer);
});

test("waits for what closes a moment later", async () => {
  using event = EventFd.create();
  const before = takeResources();
  const poller = new Poller(event.descriptor.fd, { readable: true }, () => undefined);
  const copy = event.descriptor.duplicate();
  setImmediate(() => {
    poller.close();
    copy.close();
  });
  assert.deepEqual(await settledLeaks(before), []);
});

test("makes the test fail that leaks, and only that one", () => {
  const guard = new URL("../../../support/leak-guard.js", import.meta.url).href;
  const code = `
    import { test } from "node:test";
    import { openSync, closeSync } from "node:fs";
    import { guardLeaks } from ${JSON.stringify(guard)};
    guardLeaks();
    test("first", (t) => { const fd = openSync("/dev/null"); t.after(() => closeSync(fd)); });
    test("leaky", () => { openSync("/dev/null"); });
    test("last", () => undefined);
  `;
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(
    process.execPath,
    ["--test-reporter=tap", "--input-type=module", "-e", code],
    { encoding: "utf8", env },
  );
  assert.equal(status, 1);
  assert.deepEqual(stdout.match(/^(not )?ok .*/gm), [
    "ok 1 - first",
    "not ok 2 - leaky",
    "ok 3 - last",
  ]);
  assert.match(stdout, /\/dev\/null/);
});
