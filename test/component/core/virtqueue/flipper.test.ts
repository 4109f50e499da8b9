import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../../../support/leak-guard.ts";
import {
  describeOutcome,
  FLIP_CASES,
  flipUnderDevice,
  flipUnderDriver,
} from "../../support/flip-attack.ts";

guardLeaks();

/** `test/long` does the same for a minute each. */
const DURATION_MS = 800;

for (const features of FLIP_CASES) {
  const name = `${features.packed ? "packed" : "split"}${features.inOrder ? ", in order" : ""}`;

  test(`descriptors that are rewritten meanwhile do a device half no harm (${name}; hostile/20, 21)`, async (t) => {
    const outcome = await flipUnderDevice(t, features, DURATION_MS);
    t.diagnostic(describeOutcome(outcome));
    assert.ok(outcome.flips > 1000 && outcome.served > 0 && outcome.broken.size > 0);
  });

  test(`completions that are rewritten meanwhile do a driver half no harm (${name}; hostile/22)`, async (t) => {
    const outcome = await flipUnderDriver(t, features, DURATION_MS);
    t.diagnostic(describeOutcome(outcome));
    assert.ok(outcome.flips > 1000 && outcome.served > 0 && outcome.broken.size > 0);
  });
}
