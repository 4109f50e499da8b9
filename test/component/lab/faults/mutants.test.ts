import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { counted, PeerClosedError, TimeoutError } from "../../../../src/core/base/index.ts";
import { applyFaults, faults, parseFault } from "../../../../src/lab/faults/index.ts";
import { BlockDevice } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { exercise } from "../../support/exercise.ts";
import { type FaultCase, faultTable } from "../../support/fault-table.ts";
import { connectDisk, serveDisk } from "../../support/session.ts";

guardLeaks();

/** Long enough never to run out by chance, where the case is not about running out. */
const PATIENT_MS = 10_000;
const IMPATIENT_MS = 250;

test("the table has every fault", () => {
  const covered = new Set(faultTable.map(({ use }) => parseFault(use).fault.name));
  assert.deepEqual(
    faults.map(({ name }) => name).filter((name) => !covered.has(name)),
    [],
  );
});

test("a faulty device offers no worker, which would serve its rings without the fault", () => {
  const storage = BlockStorage.memory(1 << 20);
  const device = (): BlockDevice => new BlockDevice({ storage, queues: 1 });
  assert.notEqual(device().capabilities.worker, undefined);
  const options = { path: "unused", device };
  const faulty = applyFaults([parseFault("lost-write")], options).device();
  assert.equal(faulty.capabilities?.worker, undefined);
  storage.close();
});

test("without a fault all goes well", async (t) => {
  const { path } = await serveDisk(t);
  for (const strictness of ["lenient", "strict"] as const) {
    const seen = await exercise(path, { timeoutMs: PATIENT_MS, strictness });
    assert.equal(seen.outcome, "well", seen.error?.message);
    assert.deepEqual(
      { ...seen },
      {
        outcome: "well",
        stage: "end",
        error: undefined,
        queueNum: 1n,
        overlong: 0,
        configChanges: 0,
        problems: [],
      },
    );
  }
});

async function check(
  path: string,
  strictness: "lenient" | "strict",
  wanted: FaultCase,
): Promise<void> {
  const outcome = (strictness === "strict" ? wanted.strict : undefined) ?? wanted.lenient;
  const timeoutMs = outcome === "TimeoutError" ? IMPATIENT_MS : PATIENT_MS;
  const seen = await exercise(path, { timeoutMs, strictness });
  assert.equal(seen.outcome, outcome, `${seen.stage}: ${seen.error?.message}`);
  if (seen.error && wanted.says) assert.match(seen.error.message, wanted.says);
  assert.ok(wanted.shows?.(seen) ?? true, "the fault does not show");
}

test("a reply cut after each of its bytes", async (t) => {
  for (let bytes = 1; bytes < 20; bytes += 1) {
    const use = parseFault(`cut-reply=${bytes}@GET_PROTOCOL_FEATURES`);
    const { path } = await serveDisk(t, (options) => applyFaults([use], options));
    const seen = await exercise(path, { timeoutMs: PATIENT_MS });
    assert.equal(seen.outcome, "PeerClosedError");
    assert.match(
      seen.error?.message ?? "",
      new RegExp(
        `GET_PROTOCOL_FEATURES: .* in the middle of a message, after ${counted(bytes, "byte")} of it`,
      ),
    );
  }
});

test("occurrences are counted, and several faults go together", async (t) => {
  const uses = ["late-reply=1", "need-reply-echoed", "refuse@GET_STATUS:2", "used-length-too-long"];
  const { path } = await serveDisk(t, (options) => applyFaults(uses.map(parseFault), options));
  const client = await connectDisk(t, { path });
  // GET_STATUS has a reply of its own, so nothing but closing can refuse it.
  await assert.rejects(client.requests.getStatus(), PeerClosedError);
});

test("after a late reply the next call is right", async (t) => {
  const use = parseFault("late-reply=400@GET_QUEUE_NUM:1");
  const { path } = await serveDisk(t, (options) => applyFaults([use], options));
  const client = await connectDisk(t, { path });
  await assert.rejects(client.requests.getQueueNum({ timeoutMs: 100 }), TimeoutError);
  assert.equal(await client.requests.getMaxMemSlots(), 509n);
  assert.equal(await client.requests.getQueueNum(), 1n);
});

test("without calls, polling finds the completions", async (t) => {
  const { path } = await serveDisk(t, (options) => applyFaults([parseFault("no-call")], options));
  const seen = await exercise(path, { timeoutMs: PATIENT_MS, ringMode: "poll" });
  assert.equal(seen.outcome, "well", seen.error?.message);
});

describe("a client of a back-end with a fault", () => {
  for (const wanted of faultTable) {
    for (const strictness of ["lenient", "strict"] as const) {
      test(`${wanted.use}, ${strictness}`, async (t) => {
        const use = parseFault(wanted.use);
        const { path } = await serveDisk(t, (options) => applyFaults([use], options));
        await check(path, strictness, wanted);
      });
    }
  }
});
