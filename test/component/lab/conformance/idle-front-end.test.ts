/** A front-end that starts no ring, as QEMU without a guest: what was not seen is not judged. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrontendRequest, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import {
  frontendChecks,
  type FrontendTarget,
  kits,
  runFrontendCheck,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { RawFrontend } from "../../../../src/lab/wire/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult } from "./support/judge.ts";

guardLeaksOfFile();

const { GetFeatures, GetProtocolFeatures, SetOwner, SetProtocolFeatures, SetVringEnable } =
  FrontendRequest;
const GATE = VirtioFeature.ProtocolFeatures;
/** What needs a ring, memory, features or a descriptor. */
const NOT_SEEN = [
  "fe/6",
  "fe/10",
  "fe/14",
  "fe/15",
  "fe/17",
  "fe/20",
  "fe/28",
  "fe/33",
  "fe/54",
  "fe/60",
  "fe/61",
  "fe/62",
];
/** What this much of a front-end shows. */
const SEEN = ["fe/1", "fe/2", "fe/3", "fe/7", "fe/9"];

/** Connects, acknowledges no protocol feature, and waits until it is stopped. */
const idle: FrontendTarget = {
  name: "an idle front-end",
  hasMonitor: false,
  async start(socketPath) {
    const peer = await RawFrontend.connect(socketPath);
    await peer.send(GetFeatures);
    const answer = await peer.next();
    const offered =
      typeof answer === "string" ? 0n : Buffer.from(answer.payload).readBigUInt64LE(0);
    if ((offered & GATE) !== 0n) {
      await peer.send(GetProtocolFeatures);
      await peer.next();
      await peer.send(SetProtocolFeatures, 0n);
    }
    await peer.send(SetOwner);
    // As QEMU does for a network card, before anything is acknowledged.
    if ((offered & GATE) !== 0n) await peer.send(SetVringEnable, { index: 0, num: 1 });
    return {
      end: undefined,
      ended: new Promise(() => undefined),
      output: "",
      monitor: async () => Promise.reject(new Error("there is none")),
      stop: async () => peer.close(),
    };
  },
};

describe("an idle front-end", { concurrency: 8 }, () => {
  const [kit] = kits;
  for (const check of frontendChecks) {
    const verdict = NOT_SEEN.includes(check.id) ? "SKIP" : "PASS";
    if (verdict === "PASS" && !SEEN.includes(check.id)) continue;
    test(`${check.id} ${check.title}: ${verdict}`, async () => {
      assert.ok(kit);
      const result = await runFrontendCheck(check, { target: idle, kit, times: timesOf(0.1) });
      assert.equal(result.verdict, verdict, describeResult(result));
    });
  }
});
