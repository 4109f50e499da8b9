import { blockType } from "../../../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackendOptions, Device } from "../../../../src/endpoints/backend/index.ts";
import { BlockDriver, BlockRequest } from "../../../../src/endpoints/devices/block/index.ts";
import { Aim } from "../../../../src/lab/faults/aim.ts";
import { applyFaults, type ChannelFault, parseFault } from "../../../../src/lab/faults/index.ts";
import { TappedDevice } from "../../../../src/lab/faults/tapped-device.ts";
import { EventFd, UnixSocket } from "../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  type Inflight,
  ProtocolFeature,
} from "../../../../src/core/protocol/index.ts";
import { Answerer, Caller, Negotiation } from "../../../../src/core/session/index.ts";
import { UnixChannel } from "../../../../src/core/transport/index.ts";
import type { DeviceQueue } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../support/session.ts";

guardLeaks();

/** Options whose devices write down what reaches them. */
function recording(options: BackendOptions, log: number[]): BackendOptions {
  const record = (device: Device): Device =>
    new TappedDevice(device, {
      arrives: ({ type }) => {
        log.push(type);
        return false;
      },
    });
  return { ...options, device: () => record(options.device()) };
}

for (const [name, type] of [
  ["lost-write", BlockRequest.Out],
  ["flush-does-nothing", BlockRequest.Flush],
] as const) {
  test(`${name}: the device does not see the request`, async (t) => {
    const log: number[] = [];
    const faulty = await serveDisk(t, (options) =>
      applyFaults([parseFault(name)], recording(options, log)),
    );
    const driver = await BlockDriver.start(await connectDisk(t, faulty), SMALL);
    await driver.write(0, pattern(1));
    await driver.flush();
    await driver.read(0, 4096);
    const all: number[] = [BlockRequest.Out, BlockRequest.Flush, BlockRequest.In];
    assert.deepEqual(
      log,
      all.filter((each) => each !== type),
    );
  });
}

test("corrupt-write leaves the driver's buffer as it was", async (t) => {
  const { fault } = parseFault("corrupt-write");
  assert.equal(fault.where, "device");
  const served = await serveDisk(t, (options) => applyFaults([{ fault }], options));
  const driver = await BlockDriver.start(await connectDisk(t, served), { ...SMALL, depth: 1 });
  const data = pattern(2);
  await driver.write(0, data);
  assert.deepEqual(driver.queues[0]?.data(0), data);
  const spoilt = data.slice();
  spoilt[0] = (spoilt[0] ?? 0) ^ 1;
  assert.deepEqual(await driver.read(0, 4096), spoilt);
});

test("spurious-calls calls when there is nothing new", async () => {
  const { fault } = parseFault("spurious-calls");
  assert.equal(fault.where, "queue");
  const idle = { publish: () => false } as DeviceQueue;
  assert.equal(fault.wrap(idle, 0).publish(), true);
});

test("missing-descriptor: the reply to GET_INFLIGHT_FD comes without one", async (t) => {
  const { fault } = parseFault("missing-descriptor");
  for (const faulty of [false, true]) {
    const [front, back] = UnixSocket.pair();
    const [ours, theirs] = [new UnixChannel(front), new UnixChannel(back)];
    t.after(() => {
      ours.close();
      theirs.close();
    });
    const negotiation = new Negotiation();
    negotiation.protocolFeatures = ProtocolFeature.InflightShmfd;
    const sides = { direction: "front-end", negotiation, strictness: "strict" } as const;
    const channel = faulty ? (fault as ChannelFault).wrap(theirs, new Aim(), 0) : theirs;
    const answerer = new Answerer(channel, sides);
    answerer.on(FrontendRequest.GetInflightFd, (payload, { replyFds }) => {
      replyFds.push(EventFd.create().descriptor);
      return { ...(payload as Inflight), mmapSize: 4096n };
    });
    answerer.start();
    const caller = new Caller(ours, { ...sides, timeoutMs: 30_000 });
    const asked = { mmapSize: 0n, mmapOffset: 0n, numQueues: 1, queueSize: 16 };
    const answer = caller.call(FrontendRequest.GetInflightFd, asked);
    if (faulty) {
      await assert.rejects(answer, /descriptors must be 1, not 0/);
    } else {
      const { fds } = await answer;
      assert.equal(fds.length, 1);
      for (const fd of fds) fd.close();
    }
  }
});

test("faults of a device keep what it offers", () => {
  const device = new TappedDevice(
    {
      type: blockType,
      features: 5n,
      maxQueues: 2,
      maxQueueSize: 64,
      process() {},
      capabilities: { hostNotifiers: true },
    },
    {},
  );
  assert.deepEqual(
    [device.type, device.features, device.maxQueues, device.maxQueueSize, device.capabilities],
    [blockType, 5n, 2, 64, { hostNotifiers: true }],
  );
});
