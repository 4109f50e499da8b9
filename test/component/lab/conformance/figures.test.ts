import { fsKind } from "../../../../src/endpoints/devices/fs/kind.ts";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Check,
  type CaseResult,
  checks,
  runCheck,
  knownDevice,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { InProcessTarget } from "./support/in-process-target.ts";
import { fault, type Mutant } from "./support/mutant.ts";
import { keepsMappings } from "./support/mutants/conn.ts";
import { fs } from "./support/mutants/fs.ts";

guardLeaks();

async function result(id: string, mutant: Mutant | undefined): Promise<CaseResult> {
  const base = mutant?.base ?? "block";
  const target = new InProcessTarget(base, mutant);
  const check = checks.find((each) => each.id === id) as Check;
  const times = timesOf();
  try {
    const device = base === "fs" ? fsKind : blockKind;
    const facts = await survey(target, times, () => knownDevice(device));
    return await runCheck(check, { target, facts, times, seed: 1 });
  } finally {
    await target.close();
  }
}

test("a used length beyond the writable bytes is reported as the device wrote it", async () => {
  const { reason, exchange } = await result("blk/22", fault("used-length-too-long"));
  assert.equal(reason, "of a read: expected at most 513, got 2147484161");
  const reported = exchange.some((line) =>
    line.includes("2147484161 bytes written, of which 513 are"),
  );
  assert.ok(reported, exchange.join("\n"));
});

test("an answer that was not due is reported with the length in its header", async () => {
  const { reason, exchange } = await result("fs/10", fs["fs/10"]);
  assert.equal(reason, "used length: expected 0, got 16");
  assert.match(exchange.join("\n"), /used, 16 bytes written, of which 0 are writable/);
});

test("mappings that sessions leave behind are found, of one session and of many", async () => {
  for (const id of ["fd/7", "conn/2"]) {
    const healthy = await result(id, undefined);
    assert.equal(healthy.verdict, "PASS", healthy.reason);
    const { verdict, reason = "" } = await result(id, keepsMappings);
    assert.equal(verdict, "FAIL");
    assert.match(reason, /^mappings leak: expected at most \d+ shared mappings, got \d+$/);
  }
});
