/** What fe/61 must find besides the flags of its mutant. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FrontendRequest, requestSpec } from "../../../../src/core/protocol/index.ts";
import {
  frontendChecks,
  runFrontendCheck,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { blockKit } from "../../../../src/lab/kits/block/kit.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { type FrontendMutant, InProcessFrontend } from "./support/in-process-frontend.ts";
import { describeResult } from "./support/judge.ts";

guardLeaks();

/** Bytes of `struct virtio_blk_config` with zones, and one more. */
const BEYOND = 97;

const reading = (size: number): FrontendMutant => ({
  fault: `reads ${size} bytes of its configuration`,
  messages: () => ({
    sends: (frame) => {
      const { header } = frame;
      if (header.request !== FrontendRequest.GetConfig) return frame;
      const data = new Uint8Array(size);
      const payload = requestSpec("front-end", header.request)?.payload.encode({
        offset: 0,
        flags: 0,
        data,
      });
      assert.ok(payload);
      return { ...frame, header: { ...header, size: payload.length }, payload };
    },
  }),
});

for (const [size, verdict] of [
  [BEYOND, "WARN"],
  [BEYOND - 1, "PASS"],
] as const) {
  test(`a front-end that reads ${size} bytes of a disk's configuration: ${verdict}`, async () => {
    const check = frontendChecks.find(({ id }) => id === "fe/61");
    assert.ok(check);
    const target = new InProcessFrontend(reading(size));
    const result = await runFrontendCheck(check, { target, kit: blockKit, times: timesOf(0.2) });
    assert.equal(result.verdict, verdict, describeResult(result));
  });
}
