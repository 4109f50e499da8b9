import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  checks,
  ProgramTarget,
  runChecks,
  selectChecks,
  knownDevice,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";

guardLeaks();

const program = fileURLToPath(new URL("../../support/failing-backend.js", import.meta.url));
const times = timesOf();

test("a crash, a hang and a complaint are found and named, and the run goes on", async (t) => {
  // Its own folder: other test files start programs at the same time.
  const folder = mkdtempSync(join(tmpdir(), "vu-"));
  t.after(() => rmSync(folder, { recursive: true }));
  process.env["TMPDIR"] = folder;
  const target = new ProgramTarget(`${process.execPath} '${program}' {socket}`, {
    timeoutMs: 20_000,
  });
  t.after(async () => target.close());
  const facts = await survey(target, times, () => knownDevice(blockKind));
  assert.equal(facts.oneSession, false);
  const only = ["header/1", "header/10", "header/11", "header/12", "header/13", "framing/5"];
  const results = await runChecks(selectChecks(checks, { only }), {
    target,
    facts,
    times,
    seed: 1,
  });
  const lines = results.map(({ id, verdict, reason = "" }) => `${id} ${verdict} ${reason}`);
  assert.equal(lines.length, only.length);
  const [one, ten, eleven, twelve, thirteen, five] = lines;
  assert.equal(one, "header/1 PASS ");
  assert.match(
    ten ?? "",
    /^header\/10 FAIL .*expected a process that goes on, got ended by SIGSEGV$/,
  );
  assert.match(eleven ?? "", /^header\/11 FAIL .*ended by SIGSEGV/);
  assert.match(twelve ?? "", /^header\/12 FAIL GET_FEATURES: .*within 1000 ms: the target hangs$/);
  assert.match(thirteen ?? "", /^header\/13 FAIL .*Assertion `0' failed\.$/);
  assert.equal(five, "framing/5 PASS ");
  assert.match(results[4]?.output ?? "", /Assertion/);
  const exchange = results[1]?.exchange.join("\n") ?? "";
  assert.match(exchange, / the target's process ended by SIGSEGV$/m, "its end is in the exchange");
  const { pid } = target.process ?? {};
  await target.close();
  assert.equal(existsSync(`/proc/${pid}`), false, "the process is gone");
  assert.deepEqual(readdirSync(folder), []);
});
