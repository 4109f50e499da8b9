import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EventFd } from "../../../../src/core/os/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../../src/core/protocol/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { applyFaults, parseFault } from "../../../../src/lab/faults/index.ts";
import { replay } from "../../../../src/lab/replay/index.ts";
import { Capture, RawBackend, RawFrontend, Relay } from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { provesWell, serveDisk, type Served } from "../../support/session.ts";

guardLeaks();

/** The capture of what a client does with a disk. */
async function record(t: TestContext, served: Served, use: (path: string) => Promise<void>) {
  const socket = join(temporaryFolder(t), "record.sock");
  const lines: string[] = [];
  const capture = new Capture((line) => lines.push(line));
  const relay = await Relay.start({
    frontend: { listen: socket },
    backend: { connect: served.path },
    hooks: () => ({
      message: async ({ from, channel, frame }, forward) => {
        capture.record(from, frame, channel);
        await forward(frame);
      },
    }),
  });
  await use(socket);
  for (const session of relay.sessions) await session.closed;
  relay.close();
  return lines.join("");
}

/** A session with memory, a ring that runs, and a read. */
async function recordDisk(t: TestContext, served: Served): Promise<string> {
  return record(t, served, async (path) => provesWell({ path }));
}

test("a recorded session is replayed against the back-end that it was recorded with", async (t) => {
  const served = await serveDisk(t);
  const capture = await recordDisk(t, served);
  const result = await replay(capture, { socket: served.path });
  assert.equal(result.divergence, undefined);
  assert.deepEqual([result.skipped, result.differences], [[], []]);
  const messages = capture.trim().split("\n").length;
  assert.equal(result.sent + result.compared, messages);
  assert.deepEqual(served.problems, []);
});

test("a capture that ends before an answer is replayed to its last message", async (t) => {
  const served = await serveDisk(t);
  const lines = (await recordDisk(t, served)).trim().split("\n");
  for (const [at, line] of lines.entries()) {
    if (!line.includes('"from":"front-end"')) continue;
    const capture = lines.slice(0, at + 1).join("\n");
    const { divergence } = await replay(capture, { socket: served.path });
    assert.equal(divergence, undefined, line);
  }
});

test("a replay keeps the recorded intervals when asked", async (t) => {
  const served = await serveDisk(t);
  const lines = (await recordDisk(t, served)).trim().split("\n").slice(0, 4);
  const [first = "", ...rest] = lines;
  const late = rest.map((line) => line.replace(/"us":\d+/, '"us":50000'));
  const capture = [first.replace(/"us":\d+/, '"us":0'), ...late].join("\n");
  const began = performance.now();
  const { divergence } = await replay(capture, { socket: served.path, paced: true });
  assert.equal(divergence, undefined);
  assert.ok(performance.now() - began >= 45);
});

test("a back-end with another configuration diverges at that message", async (t) => {
  const served = await serveDisk(t);
  const capture = await recordDisk(t, served);
  const other = await serveDisk(t, (options) => options, 2);
  const { divergence } = await replay(capture, { socket: other.path });
  assert.match(
    divergence?.expected ?? "",
    /GET_QUEUE_NUM reply count=1|GET_CONFIG reply .*numQueues/,
  );
  assert.notEqual(divergence?.expected, divergence?.got);
  const adapted = await replay(capture, { socket: other.path, mode: "adapt" });
  assert.equal(adapted.divergence, undefined);
  assert.ok(adapted.differences.length > 0);
});

test("requests whose feature is missing are left out when the replay adapts", async (t) => {
  const served = await serveDisk(t);
  const capture = await recordDisk(t, served);
  const poor = await serveDisk(t, (options) => ({
    ...options,
    without: { protocol: ProtocolFeature.Status },
  }));
  const result = await replay(capture, { socket: poor.path, mode: "adapt" });
  assert.equal(result.divergence, undefined);
  assert.ok(result.skipped.includes("SET_STATUS"), result.skipped.join());
});

test("a back-end that ends the connection is named with the message", async (t) => {
  const served = await serveDisk(t);
  const capture = await recordDisk(t, served);
  const fault = parseFault("close-before-reply@SET_VRING_KICK");
  const faulty = await serveDisk(t, (options) => applyFaults([fault], options));
  const { divergence } = await replay(capture, { socket: faulty.path });
  assert.match(divergence?.got ?? "", /the back-end ended the connection/);
});

test("an answer that does not come is a divergence", async (t) => {
  const served = await serveDisk(t);
  const capture = await recordDisk(t, served);
  const mute = join(temporaryFolder(t), "mute.sock");
  const server = await RawBackend.listen(mute, () => undefined);
  t.after(() => server.close());
  const { divergence } = await replay(capture, { socket: mute, timeoutMs: 50 });
  assert.deepEqual([divergence?.number, divergence?.got], [2, "nothing within 50 ms"]);
});

test("the back-end's side is played against a front-end that does as recorded", async (t) => {
  const served = await serveDisk(t);
  const connect = async (path: string): Promise<void> => {
    const client = await Client.connect(path);
    await client.close();
  };
  const capture = await record(t, served, connect);
  const socket = join(temporaryFolder(t), "played.sock");
  const options = { socket, listen: true, role: "back-end" } as const;
  const playing = replay(capture, { ...options, timeoutMs: 60_000 });
  const front = connect(socket);
  const result = await playing;
  await front;
  assert.equal(result.divergence, undefined);
  assert.ok(result.sent > 0 && result.compared > 0);
});

test("a front-end that sends something else diverges", async (t) => {
  const capture = await recordDisk(t, await serveDisk(t));
  const socket = join(temporaryFolder(t), "played.sock");
  const playing = replay(capture, { socket, listen: true, role: "back-end", timeoutMs: 60_000 });
  const kick = EventFd.create();
  let front: RawFrontend | undefined;
  while (front === undefined) {
    front = await RawFrontend.connect(socket).catch(() => undefined);
  }
  const fds = [kick.descriptor];
  await front.send(FrontendRequest.SetVringKick, { index: 0, noFd: false }, { fds });
  const { divergence } = await playing;
  front.close();
  kick.close();
  assert.deepEqual(divergence, {
    number: 1,
    expected: "GET_FEATURES",
    got: "SET_VRING_KICK index=0 noFd=false {kick.0: eventfd}",
  });
});

test("without a program that connects the error names the socket", async (t) => {
  const capture = await recordDisk(t, await serveDisk(t));
  const socket = join(temporaryFolder(t), "alone.sock");
  await assert.rejects(
    replay(capture, { socket, listen: true, role: "back-end", timeoutMs: 20 }),
    /no program connected to .*alone\.sock within 20 ms/,
  );
});

test("a capture without messages, or without the session, is refused", async () => {
  await assert.rejects(replay("", { socket: "x" }), /the capture has no messages/);
  const line = '{"us":0,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}\n';
  await assert.rejects(replay(line, { socket: "x", session: 7 }), /no messages of session 7/);
});
