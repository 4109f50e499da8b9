import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EventFd, type OwnedFd } from "../../../../src/core/os/index.ts";
import { BackendRequest, FrontendRequest } from "../../../../src/core/protocol/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import {
  type MessageEvent,
  ReceivedObjects,
  type TraceConsumer,
  type TraceEvent,
  type TraceInterceptor,
  Tracer,
} from "../../../../src/lab/trace/index.ts";
import { Flags, RawBackend, RawFrontend, Relay } from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { pattern, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

interface Traced {
  readonly socket: string;
  readonly events: readonly TraceEvent[];
  readonly relay: Relay;
  /** Waits for an event. */
  readonly first: <T extends TraceEvent["type"]>(
    type: T,
  ) => Promise<Extract<TraceEvent, { type: T }>>;
}

interface TraceSetup {
  readonly consumers?: readonly TraceConsumer[];
  readonly interceptors?: readonly TraceInterceptor[];
  readonly lateMs?: number;
  readonly onProblem?: (problem: Error) => void;
}

/** A traced socket before a back-end. */
async function trace(t: TestContext, connect: string, setup: TraceSetup = {}): Promise<Traced> {
  const events: TraceEvent[] = [];
  const { consumers = [], ...options } = setup;
  const tracer = new Tracer({
    ...options,
    consumers: [...consumers, { event: (event) => void events.push(event) }],
  });
  const socket = join(temporaryFolder(t), "trace.sock");
  const relay = await Relay.start({
    frontend: { listen: socket },
    backend: { connect },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  t.after(async () => {
    relay.close();
    tracer.close();
    await until(() => relay.sessions.size === 0, "the sessions to end");
  });
  const find = <T extends TraceEvent["type"]>(type: T) =>
    events.find((each): each is Extract<TraceEvent, { type: T }> => each.type === type);
  return {
    socket,
    events,
    relay,
    first: async (type) => {
      await until(() => find(type) !== undefined, `an event ${type}`);
      const found = find(type);
      assert.ok(found);
      return found;
    },
  };
}

function eventFd(t: TestContext): OwnedFd {
  const event = EventFd.create();
  t.after(() => event.close());
  return event.descriptor;
}

const messages = (events: readonly TraceEvent[]): MessageEvent[] =>
  events.filter((event) => event.type === "message");

test("a client's session is followed from its start to its end", async (t) => {
  const served = await serveDisk(t);
  const { socket, events, first } = await trace(t, served.path);
  const client = await Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES });
  const driver = await BlockDriver.start(client, SMALL);
  await driver.write(0, pattern(7));
  assert.deepEqual(await driver.read(0, 4096), pattern(7));
  await served.server.sessions.values().next().value?.configChanged();
  await until(() => messages(events).some(({ channel }) => channel === "back-end"), "a request");
  await client.close();
  const closed = await first("closed");

  const [opened] = events;
  assert.ok(opened?.type === "opened");
  assert.equal(opened.frontEnd.pid, process.pid);
  assert.equal(opened.backEnd.pid, process.pid);
  assert.equal(closed.by, "front-end");
  assert.deepEqual(closed.unanswered, []);
  const all = messages(events);
  assert.equal(closed.messages, all.length);
  assert.deepEqual(
    all.map(({ number }) => number),
    all.map((_, at) => at + 1),
  );
  // Our two sides break no rule, not even of those that peers do not enforce.
  assert.deepEqual(
    all.flatMap(({ violations }) => violations),
    [],
  );
  for (const reply of all.filter(({ isReply }) => isReply)) {
    const request = all[(reply.answers?.to ?? 0) - 1];
    assert.equal(request?.request, reply.request);
    assert.equal(reply.answers?.us, reply.us - (request?.us ?? 0));
  }
  const kick = all.find(({ header }) => header.request === FrontendRequest.SetVringKick);
  assert.deepEqual(
    kick?.descriptors.map(({ name, object }) => [name, object.kind]),
    [["kick.0", "eventfd"]],
  );
  const change = all.find(({ channel }) => channel === "back-end");
  assert.equal(change?.header.request, BackendRequest.ConfigChangeMsg);
});

test("the same object keeps its name, and another one in its role is counted", async (t) => {
  const served = await serveDisk(t);
  const { socket, events, relay } = await trace(t, served.path);
  const raw = await RawFrontend.negotiated(socket);
  const [first, second] = [eventFd(t), eventFd(t)];
  for (const fd of [first, second, first]) {
    await raw.ask(FrontendRequest.SetVringCall, { index: 0, noFd: false }, [fd]);
  }
  await raw.ask(FrontendRequest.SetVringKick, { index: 0, noFd: false }, [first]);
  raw.close();
  await until(() => relay.sessions.size === 0, "the session to end");
  assert.deepEqual(
    messages(events).flatMap(({ descriptors }) =>
      descriptors.map(({ name, role }) => [name, role]),
    ),
    [
      ["call.0", undefined],
      ["call.0@2", undefined],
      ["call.0", undefined],
      ["call.0", "kick.0"],
    ],
  );
});

test("broken rules are marked, and the messages pass unchanged", async (t) => {
  const seen: number[] = [];
  const behind = join(temporaryFolder(t), "raw.sock");
  const server = await RawBackend.listen(behind, async (backend) => {
    t.after(() => backend.close());
    for (;;) {
      const next = await backend.next();
      if (typeof next === "string") return;
      seen.push(next.header.flags);
      if (next.header.request === FrontendRequest.GetQueueNum) {
        await backend.reply({ request: FrontendRequest.GetFeatures }, 0n);
      }
    }
  });
  t.after(() => server.close());
  const { socket, events } = await trace(t, behind);
  const raw = await RawFrontend.connect(socket);
  t.after(() => raw.close());
  await raw.send(FrontendRequest.SetOwner, undefined, { flags: 0xf2 });
  await raw.send(FrontendRequest.SetVringNum, { index: 0, num: 0 });
  await raw.send(200);
  await raw.send(FrontendRequest.GetQueueNum);
  const reply = await raw.next();
  assert.ok(typeof reply === "object");
  assert.deepEqual(seen, [0xf2, Flags.Request, Flags.Request, Flags.Request]);
  assert.deepEqual(
    messages(events).map(({ request, violations }) => [
      request,
      violations.map(({ rule, section }) => `${rule} (${section})`),
    ]),
    [
      [
        "VHOST_USER_SET_OWNER",
        [
          "flags must be version 1, not 0xf2 (Header)",
          "flags must be without reserved bits, not 0xf2 (Header)",
        ],
      ],
      ["VHOST_USER_SET_VRING_NUM", ["num must be 1 to 32768, not 0 (Front-end message types)"]],
      ["unknown front-end request 200", ["request must be a known number, not 200 (Header)"]],
      ["VHOST_USER_GET_QUEUE_NUM", []],
      ["VHOST_USER_GET_FEATURES", ["no VHOST_USER_GET_FEATURES waits for a reply (Communication)"]],
    ],
  );
});

test("a reply that does not come is reported once, and at the end of the session", async (t) => {
  const behind = join(temporaryFolder(t), "raw.sock");
  const server = await RawBackend.listen(behind, (backend) => t.after(() => backend.close()));
  t.after(() => server.close());
  const { socket, events, first } = await trace(t, behind, { lateMs: 1 });
  const raw = await RawFrontend.connect(socket);
  await raw.send(FrontendRequest.GetConfig, { offset: 0, flags: 0, data: new Uint8Array(8) });
  const late = await first("waiting");
  assert.deepEqual([late.number, late.request, late.by], [1, "VHOST_USER_GET_CONFIG", "back-end"]);
  assert.ok(late.waitedUs >= 1000);
  raw.close();
  const closed = await first("closed");
  assert.deepEqual(
    closed.unanswered.map(({ number }) => number),
    [1],
  );
  assert.equal(events.filter(({ type }) => type === "waiting").length, 1);
});

test("interceptors change what passes, one after the other, and report it", async (t) => {
  const served = await serveDisk(t);
  const order: string[] = [];
  const drop: TraceInterceptor = {
    message: async (event, frame, forward, report) => {
      order.push(`drop ${event.number}`);
      if (event.request === "VHOST_USER_SET_OWNER") report("dropped");
      else await forward(frame);
    },
  };
  const watch: TraceInterceptor = {
    message: async (event, frame, forward) => {
      order.push(`watch ${event.number}`);
      await forward(frame);
    },
  };
  const { socket, first } = await trace(t, served.path, { interceptors: [drop, watch] });
  const raw = await RawFrontend.connect(socket);
  await raw.send(FrontendRequest.SetOwner);
  assert.ok(await raw.alive());
  raw.close();
  const action = await first("action");
  assert.deepEqual([action.number, action.action], [1, "dropped"]);
  assert.deepEqual(order, ["drop 1", "drop 2", "watch 2", "drop 3", "watch 3"]);
});

test("descriptors that a receiver keeps after the session are named, those that it closes are not", async (t) => {
  const behind = join(temporaryFolder(t), "raw.sock");
  const backends: RawBackend[] = [];
  const server = await RawBackend.listen(behind, (backend) => void backends.push(backend));
  t.after(() => server.close());
  // Both sides are this process, which is also the one that made the objects.
  const received = new ReceivedObjects(["back-end"]);
  const { socket, first } = await trace(t, behind, { consumers: [received] });
  const raw = await RawFrontend.connect(socket);
  const [kick, call] = [EventFd.create(), EventFd.create()];
  const ring = { index: 0, noFd: false };
  await raw.send(FrontendRequest.SetVringKick, ring, { fds: [kick.descriptor] });
  await raw.send(FrontendRequest.SetVringCall, ring, { fds: [call.descriptor] });
  await until(() => backends.length === 1, "the back-end");
  const [backend] = backends;
  assert.notEqual(await backend?.next(), "closed");
  assert.notEqual(await backend?.next(), "closed");
  raw.close();
  call.close();
  await first("closed");
  backend?.close();
  assert.deepEqual(await received.held(), [
    { role: "back-end", pid: process.pid, names: ["#0 kick.0"] },
  ]);
  kick.close();
  assert.deepEqual(await received.held(), []);
});

test("a consumer that fails is left out, and the session goes on", async (t) => {
  const served = await serveDisk(t);
  const problems: string[] = [];
  const failing: TraceConsumer = {
    event: ({ type }) => {
      if (type === "message") throw new Error("cannot print");
    },
  };
  const { socket, events } = await trace(t, served.path, {
    consumers: [failing],
    onProblem: (problem) => problems.push(problem.message),
  });
  const raw = await RawFrontend.connect(socket);
  assert.ok(await raw.alive());
  assert.ok(await raw.alive());
  raw.close();
  assert.deepEqual(problems, ["cannot print"]);
  assert.equal(messages(events).length, 4);
});
