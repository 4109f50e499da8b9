import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { describe, test, type TestContext } from "node:test";
import { type DeviceState, versionedState } from "../../../../src/endpoints/backend/index.ts";
import { Deferred } from "../../../../src/core/base/index.ts";
import { BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { NetDevice } from "../../../../src/endpoints/devices/net/index.ts";
import { loadDeviceState, saveDeviceState } from "../../../../src/endpoints/frontend/index.ts";
import {
  createPipe,
  EventFd,
  OwnedFd,
  readPipe,
  writePipe,
} from "../../../../src/core/os/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { RAW_PROTOCOL_FEATURES, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { connectDisk, type Served, serveDisk, SMALL, survives } from "../../support/session.ts";
import { capability, withCapabilities } from "../../../support/capability.ts";

guardLeaks();

/** Ends a little beyond what a pipe holds. */
const LARGE = 300_000;

async function collect(from: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of from) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** A disk whose device has a state that the test makes. */
async function serveState(t: TestContext, state: DeviceState): Promise<Served> {
  return serveDisk(t, (options) => ({
    ...options,
    device: () => withCapabilities(options.device(), { migration: state }),
  }));
}

test("a state larger than a pipe goes out and comes in, byte by byte the same", async (t) => {
  const content = new Uint8Array(LARGE).map((_, i) => i * 7 + (i >> 8));
  let loaded = new Uint8Array();
  const served = await serveState(t, {
    save: () => once(content.subarray(0, 100_000), content.subarray(100_000)),
    load: async (from) => {
      loaded = Uint8Array.from(await collect(from));
    },
  });
  const client = await connectDisk(t, served);
  const saved = await saveDeviceState(client.requests);
  assert.ok(Buffer.from(saved).equals(content));
  await loadDeviceState(client.requests, saved);
  assert.ok(Buffer.from(loaded).equals(content));
  assert.deepEqual(served.problems, []);
});

test("an empty state is one, too", async (t) => {
  let loads = 0;
  const served = await serveState(t, {
    save: () => once(),
    load: async (from) => {
      loads += (await collect(from)).length === 0 ? 1 : 100;
    },
  });
  const client = await connectDisk(t, served);
  assert.equal((await saveDeviceState(client.requests)).length, 0);
  await loadDeviceState(client.requests, new Uint8Array());
  assert.equal(loads, 1);
});

test("the session answers while a transfer is stalled", async (t) => {
  const served = await serveState(t, {
    save: () => once(new Uint8Array(LARGE)),
    load: async (from) => void (await collect(from)),
  });
  const client = await connectDisk(t, served);
  const { read, write } = createPipe();
  const { value, fd } = await client.requests.setDeviceStateFd({ direction: 0, phase: 0 }, write);
  write.close();
  assert.deepEqual([value, fd], [0x100n, undefined]);
  for (let i = 0; i < 10; i += 1) await client.requests.getFeatures();
  assert.equal((await collect(readPipe(read))).length, LARGE);
  assert.equal(await client.requests.checkDeviceState(), 0n);
});

test("CHECK_DEVICE_STATE reports that a device threw while saving or loading", async (t) => {
  const served = await serveState(t, {
    async *save() {
      yield new Uint8Array(10);
      throw new Error("no room on disk");
    },
    load: () => Promise.reject(new Error("not mine")),
  });
  const client = await connectDisk(t, served);
  await assert.rejects(saveDeviceState(client.requests), /CHECK_DEVICE_STATE.*could not save/);
  await assert.rejects(loadDeviceState(client.requests, new Uint8Array(LARGE)), /CHECK_DEVICE/);
  assert.deepEqual(
    served.problems.map(({ message }) => message),
    ["no room on disk", "not mine"],
  );
  await client.requests.getFeatures();
});

test("the client reads no more than its limit, and the session goes on", async (t) => {
  const served = await serveState(t, {
    async *save() {
      for (;;) yield new Uint8Array(65_536);
    },
    load: () => Promise.resolve(),
  });
  const client = await connectDisk(t, served);
  await assert.rejects(saveDeviceState(client.requests, 1 << 20), /sent more than 1048576 bytes/);
  assert.notEqual(await client.requests.checkDeviceState(), 0n);
});

test("a state without end is not read to its end", async (t) => {
  const served = await serveState(t, {
    save: () => once(),
    load: async (from) => {
      for await (const chunk of from) assert.ok(chunk.length > 0);
    },
  });
  const client = await connectDisk(t, served);
  await assert.rejects(loadDeviceState(client.requests, new Uint8Array(65 << 20)), /CHECK_DEVICE/);
  assert.match(served.problems[0]?.message ?? "", /more than 67108864 bytes/);
});

test("the end of the session ends a transfer", async (t) => {
  const ended = new Deferred<void>();
  const served = await serveState(t, {
    save: () => once(new Uint8Array(LARGE)),
    load: async (from) => {
      await collect(from).finally(() => ended.resolve());
    },
  });
  const client = await connectDisk(t, served);
  const { read, write } = createPipe();
  t.after(() => write.close());
  await client.requests.setDeviceStateFd({ direction: 1, phase: 0 }, read);
  read.close();
  await client.close();
  await ended.promise;
});

describe("hostile messages", () => {
  const features = RAW_PROTOCOL_FEATURES | ProtocolFeature.DeviceState;
  const params = (direction: number, phase = 0): Uint8Array =>
    new Uint8Array(Uint32Array.of(direction, phase).buffer);

  test("directions, phases and descriptors that are none are answered with an error", async (t) => {
    const served = await serveDisk(t);
    const event = EventFd.create();
    t.after(() => event.close());
    const file = openSync("/dev/null", "r");
    t.after(() => closeSync(file));
    const null_ = OwnedFd.duplicateOf(file);
    t.after(() => null_.close());
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path, features);
      const ask = async (payload: Uint8Array, fd: OwnedFd): Promise<unknown> =>
        raw.ask(FrontendRequest.SetDeviceStateFd, payload, [fd]);
      assert.equal(await ask(params(2), event.descriptor), 0x101n);
      assert.equal(await ask(params(0xffff_ffff), event.descriptor), 0x101n);
      assert.equal(await ask(params(0, 1), event.descriptor), 0x101n);
      for (const fd of [event.descriptor, null_]) {
        for (const direction of [0, 1]) {
          assert.equal(await ask(params(direction), fd), 0x101n);
          assert.equal(await raw.ask(FrontendRequest.CheckDeviceState, undefined), 1n);
        }
      }
      assert.equal(await raw.ask(FrontendRequest.CheckDeviceState, undefined), 1n);
      assert.ok(await raw.alive());
      raw.close();
    });
  });

  test("the wrong end of a pipe, a second transfer, a reader that goes away", async (t) => {
    const served = await serveDisk(t);
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path, features);
      const ask = async (direction: number, fd: OwnedFd): Promise<unknown> =>
        raw.ask(FrontendRequest.SetDeviceStateFd, params(direction), [fd]);
      const check = async (): Promise<unknown> =>
        raw.ask(FrontendRequest.CheckDeviceState, undefined);
      const [one, two] = [createPipe(), createPipe()];
      assert.equal(await ask(0, one.read), 0x100n);
      assert.equal(await check(), 1n);
      assert.equal(await ask(1, two.read), 0x100n);
      assert.equal(await ask(1, two.read), 0x101n);
      for (const fd of [one.read, one.write, two.read, two.write]) fd.close();
      assert.equal(await check(), 1n);
      const three = createPipe();
      three.read.close();
      assert.equal(await ask(0, three.write), 0x100n);
      three.write.close();
      assert.equal(await check(), 1n);
      assert.ok(await raw.alive());
      raw.close();
    });
  });

  test("while rings run it is refused, and they go on", async (t) => {
    const served = await serveDisk(t);
    const client = await connectDisk(t, served);
    const driver = await BlockDriver.start(client, SMALL);
    await assert.rejects(saveDeviceState(client.requests), /answered with an error: 257/);
    await driver.flush();
    assert.match(served.problems[0]?.message ?? "", /a ring is running; stop all rings/);
  });

  test("a document that is not one of this device's is refused with what was expected", async (t) => {
    const served = await serveDisk(t);
    const client = await connectDisk(t, served);
    const state = await saveDeviceState(client.requests);
    const document = Buffer.from(state).toString();
    assert.match(document, /"type":"block","version":1/);
    const wrong: [string, RegExp][] = [
      ["", /a JSON document/],
      [document.slice(0, -3), /a JSON document/],
      ["\u0000\u0001", /a JSON document/],
      ["[]", /a document of "vhost-user device state"/],
      ["null", /a JSON document/],
      [document.replace("block", "net"), /a block device, version 1; it is for "net"/],
      [document.replace('"version":1', '"version":2'), /version 2/],
      [
        document.replace(/"bytes":\d+/, '"bytes":512'),
        /disk of 512 bytes, the destination .* of 1048576 bytes/,
      ],
      [document.replace(/"state":\{.*\}\}/, '"state":null}'), /undefined bytes/],
      [" ".repeat(2 << 20), /at most 1048576 bytes/],
    ];
    for (const [text, expected] of wrong) {
      await assert.rejects(loadDeviceState(client.requests, Buffer.from(text)), /CHECK_DEVICE/);
      assert.match(served.problems.at(-1)?.message ?? "", expected);
    }
    await loadDeviceState(client.requests, state);
  });
});

test("a network device's sums go on at the destination, or are refused", async () => {
  const [one, other] = [new NetDevice(), new NetDevice()];
  one.send(new Uint8Array(0));
  assert.equal(one.counters.rxWrongSize, 1);
  await capability(other, "migration").load(capability(one, "migration").save());
  assert.deepEqual(other.counters, one.counters);
  const saved = Buffer.from(await collect(capability(one, "migration").save())).toString();
  for (const value of ["-1", "1.5", "null", '"7"', "1e300"]) {
    const changed = saved.replace('"rxWrongSize":1', `"rxWrongSize":${value}`);
    await assert.rejects(
      capability(other, "migration").load(once(Buffer.from(changed))),
      /counters must be whole numbers from 0/,
    );
  }
  assert.deepEqual(other.counters, one.counters);
});

test("a pipe's writer that does not end is not waited for on the event loop", async () => {
  const { read, write } = createPipe();
  const stop = new AbortController();
  const reading = collect(readPipe(read, stop.signal));
  stop.abort(new Error("enough"));
  await assert.rejects(reading, (error: Error) => /abort|enough/i.test(error.message));
  write.close();
  const other = createPipe();
  const end = new AbortController();
  const writing = writePipe(
    other.write,
    once(new Uint8Array(LARGE), new Uint8Array(LARGE)),
    end.signal,
  );
  end.abort(new Error("enough"));
  await assert.rejects(writing);
  other.read.close();
});

test("a state names its device and version", async () => {
  const state = versionedState({ type: "t", version: 3, save: () => [1], load: () => undefined });
  assert.equal(
    Buffer.from(await collect(state.save())).toString(),
    '{"format":"vhost-user device state","type":"t","version":3,"state":[1]}',
  );
});
