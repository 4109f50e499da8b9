/** GET_QUEUE_NUM of a network device: pairs for QEMU and DPDK, rings in the text. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrontendRequest, type VringFd } from "../../../../src/core/protocol/index.ts";
import { NetFeature } from "../../../../src/endpoints/devices/net/index.ts";
import { checks, type Verdict } from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult, judge, PARALLEL } from "./support/judge.ts";
import { type Mutant, throughHandler } from "./support/mutant.ts";

guardLeaksOfFile();

const { GetQueueNum, SetVringKick } = FrontendRequest;

/** Our card with two pairs, which answers GET_QUEUE_NUM with a number and serves its first rings. */
const card = (
  { answer, rings }: { answer: bigint; rings: number },
  multiqueue: boolean,
): Mutant => {
  const served = throughHandler(
    "serves some rings",
    () => ({
      [GetQueueNum]: () => () => answer,
      [SetVringKick]: (plain) => (payload, incoming) =>
        (payload as VringFd).index < rings ? plain(payload, incoming) : undefined,
    }),
    { base: "net", offers: true },
  );
  if (multiqueue) return served;
  return {
    ...served,
    apply: (options, world) => ({
      ...(served.apply?.(options, world) ?? options),
      without: { virtio: NetFeature.Mq },
    }),
  };
};

const CASES: readonly {
  readonly what: string;
  readonly answer: bigint;
  readonly rings: number;
  readonly multiqueue: boolean;
  readonly verdict: Verdict;
}[] = [
  { what: "2 pairs, all served", answer: 2n, rings: 4, multiqueue: true, verdict: "PASS" },
  { what: "4 rings, all served", answer: 4n, rings: 4, multiqueue: true, verdict: "WARN" },
  { what: "2 pairs, one served", answer: 4n, rings: 2, multiqueue: true, verdict: "FAIL" },
  { what: "nothing is served", answer: 2n, rings: 0, multiqueue: true, verdict: "FAIL" },
  { what: "without MQ, 4 rings", answer: 4n, rings: 4, multiqueue: false, verdict: "PASS" },
  { what: "without MQ, 2 of 4 rings", answer: 4n, rings: 2, multiqueue: false, verdict: "WARN" },
  { what: "without MQ, nothing", answer: 4n, rings: 0, multiqueue: false, verdict: "FAIL" },
];

describe("mq/2 judges the rings that a network device serves", { concurrency: PARALLEL }, () => {
  const check = checks.find(({ id }) => id === "mq/2");
  for (const { what, answer, rings, multiqueue, verdict } of CASES) {
    test(`${what}: ${verdict}`, async () => {
      assert.ok(check);
      const result = await judge(check, "net", card({ answer, rings }, multiqueue));
      assert.equal(result.verdict, verdict, describeResult(result));
    });
  }
});

test("mq/4 uses the rings of a card without MQ that work", async () => {
  const check = checks.find(({ id }) => id === "mq/4");
  assert.ok(check);
  const all = await judge(check, "net", card({ answer: 4n, rings: 4 }, false));
  assert.equal(all.verdict, "PASS", describeResult(all));
  const first = await judge(check, "net", card({ answer: 4n, rings: 2 }, false));
  assert.equal(first.verdict, "SKIP", describeResult(first));
});
