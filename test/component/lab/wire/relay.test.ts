import assert from "node:assert/strict";
import { openSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { OwnedFd } from "../../../../src/core/os/index.ts";
import { BackendRequest, FrontendRequest } from "../../../../src/core/protocol/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import {
  Capture,
  parseCapture,
  RawFrontend,
  Relay,
  type RelayedMessage,
  type RelayEnd,
  type RelayHooks,
} from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { pattern, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

interface Served {
  readonly relay: Relay;
  readonly socket: string;
  readonly server: BackendServer;
}

/** A disk behind a relay; both are gone after the test. */
async function serveThrough(t: TestContext, hooks?: () => RelayHooks): Promise<Served> {
  const folder = temporaryFolder(t);
  const [behind, socket] = [join(folder, "disk.sock"), join(folder, "relay.sock")];
  const storage = BlockStorage.memory(1 << 20);
  const server = await BackendServer.listen(behind, { device: () => new BlockDevice({ storage }) });
  const relay = await Relay.start({
    frontend: { listen: socket },
    backend: { connect: behind },
    ...(hooks && { hooks }),
  });
  t.after(async () => {
    relay.close();
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
    storage.close();
  });
  return { relay, socket, server };
}

test("a client does I/O through a relay, and a capture has every message in order", async (t) => {
  let text = "";
  const capture = new Capture((line) => (text += line));
  const { relay, socket } = await serveThrough(t, () => ({
    message: async ({ from, channel, frame }, forward) => {
      capture.record(from, frame, channel);
      await forward(frame);
    },
  }));
  const client = await Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES });
  const driver = await BlockDriver.start(client, SMALL);
  const bytes = pattern(7);
  await driver.write(0, bytes);
  assert.deepEqual(await driver.read(0, 4096), bytes);
  await client.close();
  await until(() => relay.sessions.size === 0, "the relayed session to end");

  const messages = parseCapture(text);
  assert.deepEqual(
    messages.slice(0, 2).map(({ from, header }) => [from, header.request]),
    [
      ["front-end", FrontendRequest.GetFeatures],
      ["back-end", FrontendRequest.GetFeatures],
    ],
  );
  const table = messages.find(
    ({ header }) =>
      header.request === FrontendRequest.SetMemTable ||
      header.request === FrontendRequest.AddMemReg,
  );
  assert.deepEqual(table?.descriptors, ["memfd"]);
  const kick = messages.find(({ header }) => header.request === FrontendRequest.SetVringKick);
  assert.deepEqual(kick?.descriptors, ["eventfd"]);
});

test("requests of the back-end pass through the relay as well", async (t) => {
  const onBackendChannel: RelayedMessage[] = [];
  const { socket, server } = await serveThrough(t, () => ({
    message: async (message, forward) => {
      if (message.channel === "back-end") onBackendChannel.push(message);
      await forward(message.frame);
    },
  }));
  let changes = 0;
  const client = await Client.connect(socket, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    onConfigChange: () => void (changes += 1),
  });
  t.after(async () => client.close());
  await BlockDriver.start(client, SMALL);
  await server.sessions.values().next().value?.configChanged();
  await until(() => changes === 1, "the change of the configuration");
  assert.equal(onBackendChannel[0]?.from, "back-end");
  assert.equal(onBackendChannel[0]?.frame.header.request, BackendRequest.ConfigChangeMsg);
});

test("a hook that fails ends its session on both sides, and the next one is served", async (t) => {
  let sessions = 0;
  const { relay, socket } = await serveThrough(t, () => {
    const first = sessions++ === 0;
    return {
      message: async ({ frame }, forward) => {
        if (first) throw new Error("the hook fails");
        await forward(frame);
      },
    };
  });
  await assert.rejects(Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES }), {
    code: "ERR_VHOST_PEER_CLOSED",
  });
  await until(() => relay.sessions.size === 0, "the first session to end");
  const client = await Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES });
  await client.close();
});

test("a back-end channel that is not a socket ends neither the relay nor other sessions", async (t) => {
  const { relay, socket } = await serveThrough(t);
  const raw = await RawFrontend.negotiated(socket);
  const file = new OwnedFd(openSync(fileURLToPath(import.meta.url), "r"));
  await raw.ask(FrontendRequest.SetBackendReqFd, undefined, [file]);
  file.close();
  raw.close();
  await until(() => relay.sessions.size === 0, "the session to end");
  const client = await Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES });
  await client.close();
});

test("a relay whose other side is not there closes the connection and reports it", async (t) => {
  const folder = temporaryFolder(t);
  const problems: Error[] = [];
  const listen = join(folder, "relay.sock");
  const relay = await Relay.start({
    frontend: { listen },
    backend: { connect: join(folder, "missing.sock") },
    onProblem: (problem) => problems.push(problem),
  });
  t.after(() => relay.close());
  await assert.rejects(Client.connect(listen), { code: "ERR_VHOST_PEER_CLOSED" });
  assert.match(problems[0]?.message ?? "", /missing\.sock/);
});

test("a front-end that ends its direction still gets the replies to what it asked", async (t) => {
  const { relay, socket } = await serveThrough(t);
  const raw = await RawFrontend.connect(socket);
  await raw.send(FrontendRequest.GetFeatures);
  raw.endWriting();
  const reply = await raw.next();
  assert.equal(typeof reply === "object" && reply.header.request, FrontendRequest.GetFeatures);
  assert.equal(await raw.next(), "closed");
  raw.close();
  await until(() => relay.sessions.size === 0, "the session to end");
});

test("the end of a relayed session names the side that ended it", async (t) => {
  const ends: RelayEnd[] = [];
  const { relay, socket, server } = await serveThrough(t, () => ({
    ended: (end) => ends.push(end),
  }));
  const first = await RawFrontend.connect(socket);
  assert.ok(await first.alive());
  first.close();
  await until(() => ends.length === 1, "the first session to end");
  const second = await RawFrontend.connect(socket);
  assert.ok(await second.alive());
  for (const session of server.sessions) session.close();
  await until(() => ends.length === 2, "the second session to end");
  second.close();
  const third = await RawFrontend.connect(socket);
  assert.ok(await third.alive());
  for (const session of relay.sessions) session.close();
  await until(() => ends.length === 3, "the third session to end");
  third.close();
  assert.deepEqual(
    ends.map(({ side, channel }) => [side, channel]),
    [
      ["front-end", "front-end"],
      ["back-end", "front-end"],
      [undefined, "front-end"],
    ],
  );
});

test("two sides that both connect are paired, and two that both listen make one session", async (t) => {
  const folder = temporaryFolder(t);
  const [front, back] = [join(folder, "front.sock"), join(folder, "back.sock")];
  const pairing = await Relay.start({ frontend: { listen: front }, backend: { listen: back } });
  const joining = await Relay.start({ frontend: { connect: back }, backend: { connect: front } });
  t.after(async () => {
    joining.close();
    pairing.close();
    await until(() => pairing.sessions.size + joining.sessions.size === 0, "the sessions to end");
  });
  await until(() => pairing.sessions.size === 1, "the pair");
  assert.equal(joining.sessions.size, 1);
});

test("sessions beyond the most are closed, and that is reported", async (t) => {
  const folder = temporaryFolder(t);
  const [listen, connect] = [join(folder, "relay.sock"), join(folder, "disk.sock")];
  const storage = BlockStorage.memory(1 << 20);
  const server = await BackendServer.listen(connect, {
    device: () => new BlockDevice({ storage }),
  });
  const problems: string[] = [];
  const relay = await Relay.start({
    frontend: { listen },
    backend: { connect },
    maxSessions: 1,
    onProblem: ({ message }) => void problems.push(message),
  });
  const first = await RawFrontend.connect(listen);
  assert.ok(await first.alive());
  const second = await RawFrontend.connect(listen);
  assert.equal(await second.next(), "closed");
  assert.deepEqual(problems, ["a connection was closed: the most that is allowed is 1 session"]);
  assert.ok(await first.alive());
  for (const each of [first, second]) each.close();
  await until(() => relay.sessions.size === 0, "the end of the session");
  relay.close();
  server.close();
  await until(() => server.sessions.size === 0, "the end of the back-end");
  storage.close();
});
