import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CaseFailure, CaseSkip, type RunObserver } from "../../../../src/lab/engine/index.ts";
import type { TestContext } from "../../../../src/lab/selftest/context.ts";
import { expectEqual, expectError, expectThat } from "../../../../src/lab/selftest/expect.ts";
import { runGroup, type TestCase } from "../../../../src/lab/selftest/group.ts";
import type { GroupResult } from "../../../../src/lab/results/index.ts";

const options = { clients: 1, rounds: 4, connections: 10, requirePrograms: false };

/** The ledger is kept here. */
const runtime = mkdtempSync(join(tmpdir(), "vu-test-"));
process.env["XDG_RUNTIME_DIR"] = runtime;
after(() => rmSync(runtime, { recursive: true }));

/** Names of what the ledger holds. */
function recorded(): string[] {
  return readdirSync(join(runtime, "vhost-user"));
}

/** Runs functions as a group, each called by its place. */
async function run(
  runs: readonly TestCase["run"][],
  {
    signal = new AbortController().signal,
    ...observer
  }: RunObserver & { signal?: AbortSignal } = {},
): Promise<GroupResult> {
  const cases = runs.map((each, at) => ({ title: `Test ${at}`, run: each }));
  const group = { name: "engine", title: "engine tests", cases };
  return runGroup(group, options, signal, observer);
}

test("a test that throws has failed, and the next one runs all the same", async () => {
  const { results } = await run([
    () => {
      throw new Error("it broke");
    },
    async () => Promise.reject(new Error("it broke later")),
    () => undefined,
  ]);
  assert.deepEqual(
    results.map(({ title, verdict, reason }) => [title, verdict, reason]),
    [
      ["Test 0", "FAIL", "it broke"],
      ["Test 1", "FAIL", "it broke later"],
      ["Test 2", "PASS", undefined],
    ],
  );
});

test("what is thrown need not be an error", async () => {
  const { results } = await run([
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors
    async () => Promise.reject("text"),
  ]);
  assert.equal(results[0]?.verdict, "FAIL");
  assert.equal(results[0]?.reason, "not an error: string");
});

test("clean-ups run last first, also after a failure, before the next test", async () => {
  const order: string[] = [];
  await run([
    ({ defer }) => {
      defer(() => order.push("first"));
      defer(async () => {
        await Promise.resolve();
        order.push("second");
      });
      order.push("test");
      throw new Error("it broke");
    },
    () => void order.push("next test"),
  ]);
  assert.deepEqual(order, ["test", "second", "first", "next test"]);
});

test("a clean-up that fails fails the test, and the remaining clean-ups run", async () => {
  let ran = false;
  const { results } = await run([
    ({ defer }) => {
      defer(() => {
        ran = true;
      });
      defer(async () => Promise.reject(new Error("it would not go")));
    },
  ]);
  assert.equal(ran, true);
  assert.equal(results[0]?.verdict, "FAIL");
  assert.equal(results[0]?.reason, "it would not go");
});

test("the test's own failure is the one that is reported", async () => {
  const { results } = await run([
    ({ defer }) => {
      defer(() => {
        throw new Error("it would not go");
      });
      throw new Error("it broke");
    },
  ]);
  assert.equal(results[0]?.reason, "it broke");
});

test("what cannot run is skipped, with the reason", async () => {
  const { results } = await run([
    () => {
      throw new CaseSkip("no such program");
    },
  ]);
  assert.equal(results[0]?.verdict, "SKIP");
  assert.equal(results[0]?.reason, "no such program");
});

test("notes are kept in their order, also those of a failed test", async () => {
  const { results } = await run([
    ({ note }) => {
      note("one");
      note("two");
      throw new Error("it broke");
    },
  ]);
  assert.deepEqual(results[0]?.values, ["one", "two"]);
});

test("the observer is called as each test begins and with its result", async () => {
  const heard: string[] = [];
  const { title, name } = await run([() => void heard.push("it runs")], {
    onStart: ({ id, title }) => heard.push(`${id} ${title}`),
    onResult: ({ verdict }) => heard.push(verdict),
  });
  assert.deepEqual(heard, ["engine/1 Test 0", "it runs", "PASS"]);
  assert.deepEqual([name, title], ["engine", "engine tests"]);
});

test("the folder is there for all tests of a group, in the ledger, and gone afterwards", async () => {
  const folders: string[] = [];
  const keep = ({ folder }: TestContext): void => {
    folders.push(folder);
    writeFileSync(join(folder, `file-${folders.length}`), "");
    assert.equal(recorded().length, 1);
  };
  await run([keep, keep]);
  const [first = "", second] = folders;
  assert.equal(first, second);
  assert.equal(existsSync(first), false);
  await run([keep]);
  assert.notEqual(folders[2], first);
  assert.deepEqual(recorded(), []);
});

test("an abort ends the group after the clean-ups; no further test runs, nothing is reported", async () => {
  const interrupt = new AbortController();
  const heard: string[] = [];
  let seen = "";
  const running = run(
    [
      async ({ signal, defer, folder }) => {
        seen = folder;
        defer(() => heard.push("cleaned up"));
        interrupt.abort(new Error("interrupted"));
        signal.throwIfAborted();
      },
      () => void heard.push("the next test ran"),
    ],
    { signal: interrupt.signal, onResult: () => heard.push("a result") },
  );
  await assert.rejects(running, { message: "interrupted" });
  assert.deepEqual(heard, ["cleaned up"]);
  assert.notEqual(seen, "");
  assert.equal(existsSync(seen), false);
  assert.deepEqual(recorded(), []);
});

test("a group whose signal has aborted before runs nothing", async () => {
  let ran = false;
  const signal = AbortSignal.abort(new Error("interrupted"));
  const running = run([() => void (ran = true)], { signal });
  await assert.rejects(running, { message: "interrupted" });
  assert.equal(ran, false);
});

test("expectEqual and expectThat say what was expected", () => {
  expectEqual("size", 20, 20);
  assert.throws(
    () => expectEqual("size", 19, 20),
    new CaseFailure("size", { expected: "20", actual: "19" }),
  );
  expectThat(true, "a socket");
  assert.throws(() => expectThat(false, "a socket"), { message: "expected a socket" });
});

test("expectError wants an error of its type, and hands it over", async () => {
  const thrown = new RangeError("too far");
  assert.equal(await expectError(RangeError, async () => Promise.reject(thrown)), thrown);
  await assert.rejects(
    expectError(TypeError, async () => Promise.reject(thrown)),
    new CaseFailure("the error", { expected: "a TypeError", actual: "RangeError: too far" }),
  );
  await assert.rejects(
    expectError(TypeError, async () => Promise.resolve()),
    new CaseFailure("the error", { expected: "a TypeError", actual: "no error" }),
  );
});
