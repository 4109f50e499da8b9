import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackendOptions } from "../../../../src/endpoints/backend/index.ts";
import { NegotiationError, RemoteError } from "../../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { applyFaults, parseFault } from "../../../../src/lab/faults/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../../src/core/protocol/index.ts";
import type { FrameObserver } from "../../../../src/core/transport/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { connectDisk, serveDisk, SMALL } from "../../support/session.ts";

guardLeaks();

const { GetStatus } = FrontendRequest;
const { ReplyAck, Status, ConfigureMemSlots } = ProtocolFeature;
const handler = { done: () => undefined, failed: () => undefined };

/** Notes what is sent, request by request, a list for each time that answers came before it. */
function rounds(): { readonly list: number[][]; readonly observe: FrameObserver } {
  const list: number[][] = [];
  let answered = true;
  return {
    list,
    observe: (way, { header }) => {
      if (way === "sent") {
        if (answered) list.push([]);
        list.at(-1)?.push(header.request);
      }
      answered = way === "received";
    },
  };
}

const faulty =
  (use: string) =>
  (options: BackendOptions): BackendOptions =>
    applyFaults([parseFault(use)], options);

test("what needs no earlier answer is sent at once: a session in three round trips, a queue in three", async (t) => {
  const served = await serveDisk(t);
  const { list, observe } = rounds();
  const client = await connectDisk(t, served, { observe });
  assert.deepEqual(list, [[1], [15], [16, 21, 3, 39, 2, 39, 40, 37]]);
  list.length = 0;
  await client.startQueue(client.createQueue({ index: 0, size: 16, ringMode: "event", handler }));
  assert.deepEqual(list, [[8, 10, 9, 14, 13], [12], [18, 39]]);
  assert.deepEqual(served.problems, []);
});

test("more than one region: how many fit is known before the first is shared", async (t) => {
  const served = await serveDisk(t);
  const { list, observe } = rounds();
  await connectDisk(t, served, { observe, memory: { size: 16384, regions: 3 } });
  assert.deepEqual(list.slice(2), [[16, 21, 3, 39, 2, 39, 40, 36], [37], [37], [37]]);
});

for (const name of ["SET_OWNER", "SET_FEATURES", "SET_STATUS:2", "ADD_MEM_REG"]) {
  test(`a session whose ${name} is refused ends, and the error names that request`, async (t) => {
    const { path } = await serveDisk(t, faulty(`refuse@${name}`));
    await assert.rejects(
      Client.connect(path, { deviceFeatures: BLOCK_DRIVER_FEATURES, memory: { size: 4096 } }),
      (error) =>
        error instanceof RemoteError && error.request === `VHOST_USER_${name.split(":")[0]}`,
    );
  });
}

for (const [name, last] of [
  ["SET_VRING_NUM", [8, 10, 9, 14, 13]],
  ["SET_VRING_ADDR", [8, 10, 9, 14, 13]],
  ["SET_VRING_KICK", [12]],
] as const) {
  test(`a ring whose ${name} is refused is not enabled, and can be started again`, async (t) => {
    const served = await serveDisk(t, faulty(`refuse@${name}:1`));
    const { list, observe } = rounds();
    const client = await connectDisk(t, served, { observe });
    const queue = client.createQueue({ index: 0, size: 16, ringMode: "event", handler });
    await assert.rejects(
      client.startQueue(queue),
      (error) => error instanceof RemoteError && error.request === `VHOST_USER_${name}`,
    );
    assert.deepEqual(list.at(-1), last);
    await client.startQueue(queue);
    await client.stopQueue(queue);
  });
}

test("a device that takes FEATURES_OK back is not used", async (t) => {
  const { path } = await serveDisk(t, (options) => ({
    ...options,
    handler: (request, plain) => (request === GetStatus ? () => 3n : plain),
  }));
  await assert.rejects(
    Client.connect(path, { memory: { size: 4096 } }),
    (error) => error instanceof NegotiationError && /FEATURES_OK/.test(error.message),
  );
});

test("without REPLY_ACK, status and slots it comes up just as well", async (t) => {
  const served = await serveDisk(t, (options) => ({
    ...options,
    without: { protocol: ReplyAck | Status | ConfigureMemSlots },
  }));
  const { list, observe } = rounds();
  const client = await connectDisk(t, served, { observe });
  assert.deepEqual(list, [[1], [15], [16, 21, 3, 2, 5]]);
  await BlockDriver.start(client, SMALL);
});
