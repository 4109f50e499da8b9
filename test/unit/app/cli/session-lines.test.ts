import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionLines } from "../../../../src/app/cli/commands/serve/session-lines.ts";

test("of a front-end that leaves at once the first sessions are printed, then only one that lasts", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const printed: string[] = [];
  const lines = new SessionLines({
    note: (line) => printed.push(line),
    warn: (line) => printed.push(line),
  });
  const taken = (): string[] => printed.splice(0);
  for (let failures = 1; failures <= 6; failures += 1) {
    lines.note(`session ${failures}`);
    lines.warn(`problem ${failures}`);
    lines.retry({ failures, pauseMs: 1 });
  }
  const [first, problem, ...rest] = taken();
  assert.deepEqual([first, problem], ["session 1", "problem 1"]);
  assert.equal(rest.length, 5, "two more sessions, and a line that says so");
  assert.match(rest.at(-1) ?? "", /3 times in a row; trying again with longer pauses/);

  lines.note("session 7");
  t.mock.timers.tick(1999);
  assert.deepEqual(taken(), []);
  t.mock.timers.tick(1);
  lines.note("it left");
  assert.deepEqual(taken(), ["session 7", "it left"], "that one lasted");
  lines.retry({ failures: 0, pauseMs: 1 });
  lines.note("session 8");
  assert.deepEqual(taken(), ["session 8"]);

  lines.retry({ failures: 4, pauseMs: 1 });
  for (let i = 0; i < 1000; i += 1) lines.warn("flood");
  t.mock.timers.tick(2000);
  assert.equal(taken().length, 100, "what is held is bounded");
  lines.note("dropped at the end");
  lines.close();
});
