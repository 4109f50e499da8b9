import assert from "node:assert/strict";
import { test } from "node:test";
import {
  describeOutcome,
  FLIP_CASES,
  flipUnderDevice,
  flipUnderDriver,
} from "../component/support/flip-attack.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

const DURATION_MS = 60_000;

for (const features of FLIP_CASES) {
  const name = `${features.packed ? "packed" : "split"}${features.inOrder ? ", in order" : ""}`;

  test(`a minute of rewritten descriptors does a device half no harm (${name})`, async (t) => {
    const outcome = await flipUnderDevice(t, features, DURATION_MS);
    t.diagnostic(describeOutcome(outcome));
    assert.ok(outcome.flips > 1_000_000 && outcome.served > 0 && outcome.broken.size >= 3);
  });

  test(`a minute of rewritten completions does a driver half no harm (${name})`, async (t) => {
    const outcome = await flipUnderDriver(t, features, DURATION_MS);
    t.diagnostic(describeOutcome(outcome));
    assert.ok(outcome.flips > 1_000_000 && outcome.served > 0 && outcome.broken.size > 0);
  });
}
