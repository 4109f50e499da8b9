/**
 * A disk is judged alike whatever it holds: on a file that is open with O_DIRECT, which takes only
 * aligned addresses for data and ignores the address where it reads a hole.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import {
  type Check,
  checks,
  knownDevice,
  runCheck,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { chapterOf } from "../../../../src/lab/results/index.ts";
import { CONTENTS } from "../../../support/disk-content.ts";
import { fullCount } from "../../../support/full-count.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { InProcessTarget } from "./support/in-process-target.ts";
import { describeResult, PARALLEL, runsAlone } from "./support/judge.ts";

guardLeaksOfFile();

/** Chapters whose requests move data; `test/long` has all of them on real programs. */
const CHAPTERS = ["ack", "blk", "enable", "features", "log", "mem", "packed", "reset", "split"];
/** 70,000 requests, and 1000: how many there are has nothing to do with their content. */
const MANY = ["split/3", "split/24", "packed/2"];

/** The only checks on which a back-end that needs alignment fails: of addresses and of lengths. */
const UNALIGNED = ["blk/40", "blk/41"];

const chosen = checks.filter(
  (check) => CHAPTERS.includes(chapterOf(check)) && !MANY.includes(check.id) && !runsAlone(check),
);

/** Contents on which each check is judged: in turn one of them, or all where there is time. */
const contentsOfEach = fullCount(CONTENTS.length, 1);
const isDue = (content: number, check: number): boolean =>
  (check + content) % CONTENTS.length < contentsOfEach;

for (const [place, content] of CONTENTS.entries()) {
  describe(`with O_DIRECT on a disk of ${content}`, { concurrency: PARALLEL }, () => {
    for (const check of chosen.filter((_, index) => isDue(place, index))) {
      test(`${check.id} ${check.title}`, async () => isJudged(check, content));
    }
  });
}

async function isJudged(check: Check, content: (typeof CONTENTS)[number]): Promise<void> {
  const target = new InProcessTarget("direct", undefined, content);
  const times = timesOf(5);
  try {
    const facts = await survey(target, times, () => knownDevice(blockKind));
    const result = await runCheck(check, { target, facts, times, seed: 1 });
    const right = UNALIGNED.includes(check.id) ? ["FAIL"] : ["PASS", "INFO", "SKIP"];
    assert.ok(right.includes(result.verdict), describeResult(result));
  } finally {
    await target.close();
  }
}
