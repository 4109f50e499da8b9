import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  type BackendOptions,
  BackendServer,
  connectBackend,
} from "../../../../src/endpoints/backend/index.ts";
import {
  delay,
  MemoryAccessError,
  NegotiationError,
  StateError,
  TimeoutError,
  UsageError,
} from "../../../../src/core/base/index.ts";
import {
  Client,
  type ClientOptions,
  type ReconnectReport,
} from "../../../../src/endpoints/frontend/index.ts";
import { EventFd, SharedMemory, UnixSocket } from "../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  type Inflight,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import { SocketServer } from "../../../../src/core/transport/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { HoldingDevice } from "../../support/holding-device.ts";
import { segmentsOf } from "../../support/rings.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** A back-end that comes and goes on one path, and a client with one queue. */
class Place {
  readonly path: string;
  readonly devices: HoldingDevice[] = [];
  readonly reports: ReconnectReport[] = [];
  readonly done: number[] = [];
  failure: Error | undefined;
  #server: BackendServer | undefined;

  constructor(t: TestContext) {
    this.path = join(temporaryFolder(t), "s");
    t.after(() => this.goAway());
  }

  async come(options: Partial<BackendOptions> = {}): Promise<void> {
    const device = (): HoldingDevice => {
      const made = new HoldingDevice();
      this.devices.push(made);
      return made;
    };
    this.#server = await BackendServer.listen(this.path, { device, ...options });
  }

  goAway(): void {
    this.#server?.close();
  }

  async client(t: TestContext, options: ClientOptions = {}): Promise<Client> {
    const client = await Client.connect(this.path, {
      memory: { size: 1 << 20 },
      ...options,
      reconnect: {
        deadlineMs: 5000,
        onReconnect: (r) => this.reports.push(r),
        ...options.reconnect,
      },
    });
    t.after(() => client.close());
    return client;
  }

  /** Starts queue 0 with these requests out. */
  async queue(client: Client, requests: number, ringMode: "event" | "poll" = "event") {
    const queue = client.createQueue({
      index: 0,
      size: 16,
      ringMode,
      handler: {
        done: (token) => this.done.push(token),
        failed: (error) => (this.failure = error),
      },
    });
    await client.startQueue(queue);
    const { guestAddress } = client.memory.allocate(64);
    for (let token = 0; token < requests; token += 1) {
      queue.add(segmentsOf([guestAddress, 8]), 1, token);
    }
    queue.publish();
    await until(() => this.device.held.length === requests, "the requests to be taken");
    return queue;
  }

  /** Of the newest session. */
  get device(): HoldingDevice {
    const device = this.devices.at(-1);
    assert.ok(device);
    return device;
  }
}

const noInflight = { without: { protocol: ProtocolFeature.InflightShmfd } };

for (const packed of [false, true]) {
  for (const ringMode of ["event", "poll"] as const) {
    test(`what is out completes once, served by the next back-end: packed ${packed}, ${ringMode}`, async (t) => {
      const place = new Place(t);
      await place.come();
      const client = await place.client(t, { packed });
      await place.queue(client, 3, ringMode);
      const before = client.requests;
      place.goAway();
      await place.come();
      await until(() => place.reports.length === 1, "the reconnect");
      await until(() => place.device.held.length === 3, "the requests to be taken again");
      place.device.release();
      await until(() => place.done.length === 3, "the completions");
      assert.deepEqual(
        place.done.toSorted((a, b) => a - b),
        [0, 1, 2],
      );
      assert.notEqual(client.requests, before, "requests go on the new connection");
      assert.ok((await client.requests.getFeatures()) > 0n);
      assert.equal(place.reports[0]?.replayedBy, "back-end");
      assert.deepEqual([client.reconnects, client.replayed, place.failure], [1, 3, undefined]);
    });
  }
}

test("with reconnect the first back-end may come later, and leave in the handshake", async (t) => {
  const place = new Place(t);
  const reasons: string[] = [];
  let refused = 0;
  const closing = async (socket: UnixSocket): Promise<void> => {
    refused += 1;
    socket.close();
    if (refused < 2) return;
    early.close();
    await place.come();
  };
  let early: SocketServer;
  const client = await place.client(t, {
    reconnect: {
      onRetry: ({ message }) => {
        reasons.push(message);
        if (reasons.length > 1) return;
        // The path does not exist before the first attempt has failed.
        void SocketServer.listen(place.path, (socket) => void closing(socket)).then(
          (server) => (early = server),
        );
      },
    },
  });
  assert.match(reasons[0] ?? "", /there is no such file/);
  assert.ok(reasons.length >= 3, "a missing path, and two connections that were closed");
  assert.equal(client.reconnects, 0, "that was the first session");
});

test("the first session is given up at its deadline: no back-end, or one that is silent", async (t) => {
  const path = join(temporaryFolder(t), "s");
  const options = { memory: { size: 1 << 20 }, reconnect: { firstDeadlineMs: 20 } };
  await assert.rejects(Client.connect(path, options), {
    name: "TimeoutError",
    message: /^no back-end answered within 20 ms \(\d+ attempts?\); the last one: .*no such file/,
  });
  const sockets: UnixSocket[] = [];
  const silent = await SocketServer.listen(path, (socket) => sockets.push(socket));
  t.after(() => {
    silent.close();
    for (const socket of sockets) socket.close();
  });
  await assert.rejects(Client.connect(path, { ...options, timeoutMs: 60_000 }), {
    name: "TimeoutError",
    message: /^no back-end answered within 20 ms .*: .*the handshake was not over within \d+ ms/,
  });
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(Client.connect(path, { ...options, signal }), { message: "stopped" });
});

test("a client that listens waits on its path for the next back-end", async (t) => {
  const path = join(temporaryFolder(t), "s");
  const stop = new AbortController();
  const devices: HoldingDevice[] = [];
  const backend = async (): Promise<void> =>
    connectBackend(path, {
      device: () => {
        const device = new HoldingDevice();
        devices.push(device);
        device.immediate = devices.length > 1;
        return device;
      },
      reconnect: true,
      retryMs: 5,
      signal: stop.signal,
      onSession: (session) => sessions.push(session),
    });
  const sessions: { close(): void }[] = [];
  const coming = Client.accept(path, {
    memory: { size: 1 << 20 },
    reconnect: { deadlineMs: 5000 },
    timeoutMs: 30_000,
  });
  // It listens by now: nothing in front of that waits.
  const running = backend();
  const client = await coming;
  const done: number[] = [];
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: (token) => done.push(token), failed: () => undefined },
  });
  await client.startQueue(queue);
  queue.add(segmentsOf([client.memory.allocate(8).guestAddress, 8]), 1, 5);
  queue.publish();
  await until(() => devices[0]?.held.length === 1, "the request to be taken");
  sessions[0]?.close();
  await until(() => done.length === 1, "its completion by the next session");
  assert.equal(client.reconnects, 1);
  await client.close();
  stop.abort();
  await running;
});

test("with a back-end that tracks nothing, a split ring's requests are made available again", async (t) => {
  const place = new Place(t);
  await place.come(noInflight);
  const client = await place.client(t);
  const queue = await place.queue(client, 4);
  // The second completes, so that what is out does not follow one another in the ring.
  const [second] = place.device.held.splice(1, 1);
  assert.ok(second);
  second.queue.complete(second.id, 0);
  second.running.publish();
  await until(() => place.done.length === 1, "its completion");
  place.goAway();
  await place.come(noInflight);
  await until(() => place.devices.length === 2, "the next session");
  await until(() => place.device.held.length === 3, "the other requests to be taken again");
  assert.deepEqual(
    place.device.held.map(({ id }) => id),
    [0, 2, 3],
    "by their heads, oldest first",
  );
  place.device.release();
  await until(() => queue.ring.outstanding === 0, "everything to complete");
  assert.equal(place.reports[0]?.replayedBy, "client");
  assert.deepEqual(place.done, [1, 0, 2, 3]);
});

test("with a back-end that notes nothing, a packed ring's requests are lost, and that is said", async (t) => {
  const place = new Place(t);
  await place.come(noInflight);
  const client = await place.client(t, { packed: true });
  await place.queue(client, 2);
  place.goAway();
  const { error } = await client.closed;
  assert.ok(error instanceof NegotiationError);
  assert.match(
    error.message,
    /does not track requests in flight .*so the 2 requests on packed queue 0 are/,
  );
  assert.equal(place.failure, error);
});

test("a back-end that lacks what the session uses is not gone on with", async (t) => {
  const place = new Place(t);
  await place.come();
  const client = await place.client(t);
  await place.queue(client, 1);
  place.goAway();
  await place.come({ without: { virtio: VirtioFeature.EventIdx } });
  const { by, error } = await client.closed;
  assert.equal(by, "error");
  assert.ok(error instanceof NegotiationError);
  assert.match(error.message, /does not offer what the session uses: VIRTIO_RING_F_EVENT_IDX;/);
  assert.equal(place.failure, error);
});

test("a back-end with fewer memory slots is not gone on with", async (t) => {
  const place = new Place(t);
  await place.come();
  const client = await place.client(t);
  place.goAway();
  await place.come({
    handler: (request, handler) =>
      request === FrontendRequest.GetMaxMemSlots ? () => 8n : handler,
  });
  const { error } = await client.closed;
  assert.match(error.message, /has 8 memory slots and had 509 before/);
});

test("without a new back-end the session ends after the deadline, and the error has the attempts", async (t) => {
  const place = new Place(t);
  await place.come();
  const client = await place.client(t, { reconnect: { firstDeadlineMs: 20_000, deadlineMs: 50 } });
  await place.queue(client, 1);
  place.goAway();
  const { error } = await client.closed;
  assert.ok(error instanceof TimeoutError);
  assert.match(
    error.message,
    /did not reconnect within 50 ms \(\d+ attempts\); the last one: .*\/s: /,
  );
  assert.equal(place.failure, error);
});

test("closing, or aborting, ends the waiting at once", async (t) => {
  for (const abort of [false, true]) {
    const place = new Place(t);
    await place.come();
    const control = new AbortController();
    const client = await place.client(t, {
      signal: control.signal,
      reconnect: { deadlineMs: 60_000, delayMs: 60_000, maxDelayMs: 60_000 },
    });
    await place.queue(client, 1);
    place.goAway();
    await client.requests.getFeatures().catch(() => undefined);
    if (abort) control.abort(new StateError("enough"));
    else await client.close();
    const { error } = await client.closed;
    assert.ok(error instanceof Error);
    assert.equal(place.failure, error);
  }
});

test("a connected socket has no path to reconnect to", async () => {
  const [ours, theirs] = UnixSocket.pair();
  await assert.rejects(Client.over(ours, { reconnect: {} }), UsageError);
  assert.ok(ours.closed);
  theirs.close();
});

test("a queue that is made after the first was started has no place in the region", async (t) => {
  const place = new Place(t);
  await place.come();
  const client = await place.client(t);
  await place.queue(client, 0);
  const late = client.createQueue({
    index: 0,
    size: 64,
    ringMode: "event",
    handler: { done: () => undefined, failed: () => undefined },
  });
  await assert.rejects(client.startQueue(late), {
    message: /make every queue before the first is started.* 1 queue of 16 entries/,
  });
});

test("what cannot be a region for requests in flight is refused, and closed", async (t) => {
  const answers: ((asked: Inflight) => { value: Inflight; event: boolean })[] = [
    (asked) => ({ value: { ...asked, mmapSize: 8n }, event: false }),
    (asked) => ({ value: { ...asked, mmapSize: 1n << 62n }, event: false }),
    (asked) => ({ value: { ...asked, mmapSize: 4096n, mmapOffset: 4096n }, event: false }),
    (asked) => ({ value: { ...asked, mmapSize: 4096n }, event: true }),
  ];
  for (const answer of answers) {
    const place = new Place(t);
    await place.come({
      handler: (request, handler) => {
        if (request !== FrontendRequest.GetInflightFd) return handler;
        return (payload, { replyFds }) => {
          const { value, event } = answer(payload as Inflight);
          const fd = event ? EventFd.create().descriptor : SharedMemory.create("test", 4096).fd;
          replyFds.push(fd);
          return value;
        };
      },
    });
    const client = await place.client(t);
    await assert.rejects(place.queue(client, 0), MemoryAccessError);
    await client.close();
    place.goAway();
    rmSync(place.path, { force: true });
  }
});

test("a back-end that goes again and again costs attempts, not the session", async (t) => {
  const place = new Place(t);
  await place.come();
  const client = await place.client(t, { reconnect: { maxDelayMs: 5, deadlineMs: 20_000 } });
  await place.queue(client, 2);
  for (let i = 0; i < 30; i += 1) {
    place.goAway();
    await delay(0);
    await place.come();
  }
  await until(() => place.device.held.length === 2, "the requests to be taken by the last");
  place.device.release();
  await until(() => place.done.length === 2, "the completions");
  assert.equal(place.failure, undefined);
});

for (const packed of [false, true]) {
  test(`a queue that was reset starts again, in a region that describes the earlier ring: packed ${packed}`, async (t) => {
    const place = new Place(t);
    await place.come({ ringReset: true });
    const client = await place.client(t, { packed });
    const queue = await place.queue(client, 3);
    place.device.release();
    await until(() => place.done.length === 3, "the completions");
    assert.deepEqual(await client.resetQueue(queue), []);
    queue.add(segmentsOf([client.memory.allocate(8).guestAddress, 8]), 1, 8);
    queue.publish();
    await until(() => place.device.held.length === 1, "a request to be taken from the new ring");
    place.goAway();
    await place.come({ ringReset: true });
    await until(() => place.devices.length === 2, "the next session");
    await until(() => place.device.held.length === 1, "it to be taken again");
    place.device.release();
    await until(() => place.done.length === 4, "its completion");
    assert.equal(place.done[3], 8);
    assert.equal(place.failure, undefined);
  });
}
