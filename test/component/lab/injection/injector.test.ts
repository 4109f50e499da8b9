import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EventFd, SharedMemory } from "../../../../src/core/os/index.ts";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";
import { FaultInjector, parseInjection } from "../../../../src/lab/injection/index.ts";
import { substitutesFor } from "../../../../src/lab/injection/substitute.ts";
import {
  type ActionEvent,
  SessionDecoder,
  type TraceEvent,
  Tracer,
} from "../../../../src/lab/trace/index.ts";
import { RawBackend, RawFrontend, type Received, Relay } from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

interface Bench {
  readonly front: RawFrontend;
  /** What the back-end got. */
  readonly got: Received[];
  readonly actions: ActionEvent[];
  readonly ends: TraceEvent[];
  readonly faults: readonly FaultInjector[];
  readonly killed: string[];
}

/** A front-end and a back-end of raw messages, with faults between them. The back-end answers GET_*. */
async function bench(t: TestContext, ...texts: readonly string[]): Promise<Bench> {
  const folder = temporaryFolder(t);
  const [listen, connect] = [join(folder, "relay.sock"), join(folder, "back.sock")];
  const [got, actions, ends, killed]: [Received[], ActionEvent[], TraceEvent[], string[]] = [
    [],
    [],
    [],
    [],
  ];
  const server = await RawBackend.listen(connect, async (backend) => {
    for (;;) {
      const next = await backend.next(60_000);
      if (typeof next === "string") break;
      got.push(next);
      if (next.header.request === FrontendRequest.GetFeatures) await backend.reply(next.header, 7n);
      if (next.header.request === FrontendRequest.GetQueueNum) await backend.reply(next.header, 3n);
    }
    await until(() => ends.length > 0, "the session to end");
    backend.close();
  });
  const made: { relay?: Relay } = {};
  const faults = texts.map(
    (text) =>
      new FaultInjector(parseInjection(text), {
        disconnect: (session) => {
          for (const each of made.relay?.sessions ?? []) if (each.number === session) each.close();
        },
        kill: (side) => {
          killed.push(side);
          return true;
        },
      }),
  );
  const collect = (event: TraceEvent): void => {
    if (event.type === "action") actions.push(event);
    if (event.type === "closed") ends.push(event);
  };
  const tracer = new Tracer({ consumers: [{ event: collect }, ...faults], interceptors: faults });
  const relay = await Relay.start({
    frontend: { listen },
    backend: { connect },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  made.relay = relay;
  const front = await RawFrontend.connect(listen, { timeoutMs: 60_000 });
  t.after(async () => {
    front.close();
    for (const each of faults) each.close();
    await until(() => ends.length > 0, "the session to end");
    relay.close();
    tracer.close();
    server.close();
  });
  return { front, got, actions, ends, faults, killed };
}

const R = FrontendRequest;
const requestsOf = (got: readonly Received[]): number[] => got.map(({ header }) => header.request);

test("drop withholds a message, and says so", async (t) => {
  const { front, got, actions, faults } = await bench(t, "SET_VRING_NUM:drop:when=2");
  for (const num of [1, 2, 3]) await front.send(R.SetVringNum, { index: 0, num });
  assert.ok(await front.alive());
  assert.deepEqual(
    got.slice(0, 2).map(({ payload }) => payload[4]),
    [1, 3],
  );
  assert.equal(faults[0]?.times, 1);
  assert.deepEqual(
    actions.map(({ number, action }) => [number, action]),
    [[2, "injected: dropped"]],
  );
});

test("duplicate sends twice, with the descriptors", async (t) => {
  const { front, got } = await bench(t, "SET_VRING_KICK:duplicate");
  const kick = EventFd.create();
  await front.send(R.SetVringKick, { index: 0, noFd: false }, { fds: [kick.descriptor] });
  kick.close();
  assert.ok(await front.alive());
  assert.deepEqual(requestsOf(got), [R.SetVringKick, R.SetVringKick, R.GetFeatures]);
  assert.deepEqual(
    got.map(({ fds }) => fds.length),
    [1, 1, 0],
  );
});

test("reorder sends a message behind the next one, and closes it at the end", async (t) => {
  const { front, got } = await bench(t, "SET_VRING_KICK:reorder");
  const kick = EventFd.create();
  const options = { fds: [kick.descriptor] };
  await front.send(R.SetVringKick, { index: 0, noFd: false }, options);
  assert.ok(await front.alive());
  await front.send(R.SetVringKick, { index: 1, noFd: false }, options);
  kick.close();
  await until(() => got.length === 2, "the message that was held back");
  assert.deepEqual(requestsOf(got), [R.GetFeatures, R.SetVringKick]);
  assert.deepEqual(got[1]?.fds.length, 1);
});

test("delay sends a message later, and keeps the order", async (t) => {
  const { front, got, actions } = await bench(t, "SET_OWNER:delay=20ms");
  await front.send(R.SetOwner);
  assert.ok(await front.alive());
  assert.deepEqual(requestsOf(got), [R.SetOwner, R.GetFeatures]);
  assert.equal(actions[0]?.action, "injected: delayed by 20 ms");
});

test("a delay ends with the trace", async (t) => {
  const { front, got, faults } = await bench(t, "SET_OWNER:delay=60m");
  await front.send(R.SetOwner);
  await until(() => faults[0]?.times === 1, "the delay to begin");
  faults[0]?.close();
  await until(() => got.length === 1, "the message");
});

test("no-reply withholds the reply to one request, and a reply is dropped as such", async (t) => {
  const faults = ["GET_FEATURES:no-reply:when=1", "GET_QUEUE_NUM reply:set count=9"];
  const { front, got, actions } = await bench(t, ...faults);
  await front.send(R.GetFeatures);
  assert.equal(await front.ask(R.GetQueueNum), 9n);
  assert.deepEqual(requestsOf(got), [R.GetFeatures, R.GetQueueNum]);
  assert.deepEqual(
    actions.map(({ action }) => action),
    ["injected: dropped the reply", "injected: set count=9"],
  );
  assert.equal(actions[1]?.from, "back-end");
  assert.equal(actions[1]?.sent?.payload[0], 9);
});

test("truncate leaves the header as it was", async (t) => {
  const { front, got, actions } = await bench(t, "SET_VRING_NUM:truncate=4");
  await front.send(R.SetVringNum, { index: 5, num: 3 });
  // The receiver waits for the rest, and takes it from the next message.
  await front.send(R.GetFeatures);
  await until(() => got.length === 1, "the message");
  assert.deepEqual([...(got[0]?.payload ?? [])], [5, 0, 0, 0, 1, 0, 0, 0]);
  assert.equal(actions[0]?.sent?.header.size, 8);
});

test("descriptors are left out, added, or replaced by new ones of their kind", async (t) => {
  const texts = ["SET_VRING_CALL:close-fd", "SET_VRING_ERR:extra-fd", "SET_MEM_TABLE:swap-fd"];
  const { front, got, actions } = await bench(t, ...texts);
  const event = EventFd.create();
  const on = { index: 0, noFd: false };
  await front.send(R.SetVringCall, on, { fds: [event.descriptor] });
  await front.send(R.SetVringErr, on, { fds: [event.descriptor] });
  const memory = SharedMemory.create("guest", 8192);
  const region = { guestAddress: 0n, size: 8192n, userAddress: 0n, mmapOffset: 0n };
  await front.send(R.SetMemTable, { regions: [region] }, { fds: [memory.fd] });
  for (const fd of [event.descriptor, memory.fd]) fd.close();
  assert.ok(await front.alive());
  assert.deepEqual(
    got.map(({ fds }) => fds.length),
    [0, 2, 1, 0],
  );
  assert.deepEqual(
    actions.map(({ action, sent }) => [action, sent?.descriptors]),
    [
      ["injected: close-fd", 0],
      ["injected: extra-fd", 2],
      ["injected: swap-fd", 1],
    ],
  );
});

test("a field that a message does not have is left alone, and that is said", async (t) => {
  const { front, got, actions, faults } = await bench(t, "SET_*:set num=3");
  await front.send(R.SetOwner);
  assert.ok(await front.alive());
  assert.equal(got.length, 2);
  assert.match(actions[0]?.action ?? "", /not injected: SET_OWNER has no field num here/);
  assert.equal(faults[0]?.times, 0);
});

test("disconnect ends the session on both sides", async (t) => {
  const { front, got, ends } = await bench(t, "SET_OWNER:disconnect");
  await front.send(R.SetOwner);
  assert.equal(await front.next(), "closed");
  assert.deepEqual(got, []);
  assert.equal(ends.length, 1);
});

test("kill asks for the program of a side, before the message is sent", async (t) => {
  const { front, killed, actions } = await bench(t, "SET_OWNER:kill=back");
  await front.send(R.SetOwner);
  assert.ok(await front.alive());
  assert.deepEqual(killed, ["back-end"]);
  assert.equal(actions[0]?.action, "injected: the back-end was killed");
});

const noPorts = { disconnect: () => undefined, kill: () => false };

test("what is held back is closed if the message behind it cannot be sent", async () => {
  const fault = new FaultInjector(parseInjection("SET_VRING_KICK:reorder:when=1"), noPorts);
  const session = new SessionDecoder({ session: 0 });
  const header = { request: R.SetVringKick, flags: 1, size: 8 };
  const place = { from: "front-end", channel: "front-end", header } as const;
  const event = session.message(1, { ...place, payload: new Uint8Array(8), objects: [] });
  const { descriptor } = EventFd.create();
  const frame = { header, payload: event.payload, fds: [descriptor] };
  const forward = async (): Promise<void> => Promise.reject(new Error("the peer is gone"));
  await fault.message(event, frame, forward, () => undefined);
  assert.equal(descriptor.closed, false);
  const next = fault.message(event, { ...frame, fds: [] }, forward, () => undefined);
  await assert.rejects(next, /the peer is gone/);
  assert.equal(descriptor.closed, true);
  fault.close();
});

test("a delay ends with its session", async () => {
  const fault = new FaultInjector(parseInjection("SET_OWNER:delay=60m"), noPorts);
  const session = new SessionDecoder({ session: 0 });
  const header = { request: R.SetOwner, flags: 1, size: 0 };
  const place = { from: "front-end", channel: "front-end", header } as const;
  const event = session.message(1, { ...place, payload: new Uint8Array(), objects: [] });
  const frame = { header, payload: event.payload, fds: [] };
  const forward = async (): Promise<void> => Promise.reject(new Error("the peer is gone"));
  const delayed = fault.message(event, frame, forward, () => undefined);
  fault.event(session.closed(2, { how: "closed", reason: "the peer closed the connection" }));
  await assert.rejects(delayed, /the peer is gone/);
  fault.close();
});

test("of descriptors that cannot all be replaced none stays open", () => {
  // No memory is as large as what a peer may say of its file.
  assert.throws(() => substitutesFor([{ kind: "eventfd" }, { kind: "memfd", bytes: 2 ** 63 }]));
});
