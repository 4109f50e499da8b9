import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { judgeKvm, Ledger, requireProgram } from "../../src/lab/programs/index.ts";
import { kvmDevice, kvmLimitMs, kvmWorstRatio } from "../../src/lab/programs/machine/kvm.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip =
  needsProgram("qemu-system-x86_64") ||
  (existsSync(kvmDevice) ? false : `there is no ${kvmDevice}`);

test("KVM is judged by a boot sector under both accelerators, once a boot", { skip }, async (t) => {
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: temporaryDirectory(t) });
  const program = requireProgram("qemu-system-x86_64");
  const verdict = await judgeKvm(ledger, program);
  t.diagnostic(verdict.reason);
  const { usable, kvmMs, tcgMs } = verdict;
  assert.ok(tcgMs !== null, "our boot sector did not end even under TCG");
  if (usable) assert.ok(kvmMs !== null && kvmMs <= kvmLimitMs && kvmMs <= kvmWorstRatio * tcgMs);
  const started = performance.now();
  assert.deepEqual(await judgeKvm(ledger, program), verdict);
  assert.ok(performance.now() - started < 50, "it was measured again");
  assert.deepEqual(readdirSync(ledger.folder), ["kvm.cache"]);
});
