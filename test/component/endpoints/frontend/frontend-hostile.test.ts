import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { VhostUserError } from "../../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client, SharedMemoryRegions } from "../../../../src/endpoints/frontend/index.ts";
import { Interceptor } from "../../../../src/lab/wire/index.ts";
import { EventFd, type OwnedFd, UnixSocket } from "../../../../src/core/os/index.ts";
import {
  backendRequests,
  FrontendRequest,
  HeaderFlag,
  ProtocolFeature,
  type RequestSpec,
} from "../../../../src/core/protocol/index.ts";
import {
  type Channel,
  type Frame,
  frameBytes,
  UnixChannel,
} from "../../../../src/core/transport/index.ts";
import { guardLeaks, settledLeaks, takeResources } from "../../../support/leak-guard.ts";
import { provesWell, type Served, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** The mirror image of backend-hostile.test.ts: a back-end that does its worst to our client. */

const event = (t: TestContext): OwnedFd => {
  const made = EventFd.create();
  t.after(() => made.close());
  return made.descriptor;
};

/** A whole session: bring-up, I/O, the end. Whatever fails must fail with an error of ours. */
async function session(path: string): Promise<Error | undefined> {
  let client: Client | undefined;
  try {
    client = await Client.connect(path, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 1 << 20 },
      timeoutMs: 500,
    });
    const driver = await BlockDriver.start(client, SMALL);
    await driver.read(0, 4096, { timeoutMs: 500 });
    return undefined;
  } catch (error) {
    assert.ok(VhostUserError.isVhostUserError(error), String(error));
    assert.ok(error.message.length > 20, error.message);
    return error;
  } finally {
    await client?.close();
  }
}

type Replace = (frame: Frame, channel: Channel) => Promise<void>;

/** A back-end whose n-th reply is something else; counts from 0. */
async function serveReplacing(t: TestContext): Promise<{ served: Served; at: At }> {
  const at: At = { index: -1, replies: 0, replace: async (frame, channel) => channel.send(frame) };
  const served = await serveDisk(t, (options) => ({
    ...options,
    channel: (channel) =>
      new Interceptor(channel, {
        send: async (frame, plain) => {
          const now = at.replies;
          at.replies += 1;
          return now === at.index ? at.replace(frame, plain) : plain.send(frame);
        },
      }),
  }));
  return { served, at };
}

interface At {
  index: number;
  replies: number;
  replace: Replace;
}

/** Plays a session for each reply of a bring-up, that reply replaced. */
async function atEachReply(t: TestContext, replace: Replace, mayGoWell = false): Promise<void> {
  const { served, at } = await serveReplacing(t);
  assert.equal(await session(served.path), undefined);
  const count = at.replies;
  assert.ok(count > 15);
  const before = takeResources();
  for (let index = 0; index < count; index += 1) {
    Object.assign(at, { index, replies: 0, replace });
    const error = await session(served.path);
    // An answer while the client leaves fails no session.
    if (!mayGoWell && index < count - 4) assert.ok(error, `reply ${index}`);
  }
  Object.assign(at, { index: -1, replies: 0 });
  await until(() => served.server.sessions.size === 0, "the sessions to end");
  await provesWell(served);
  await until(() => served.server.sessions.size === 0, "the sessions to end");
  assert.deepEqual(await settledLeaks(before), []);
}

const altered = (change: Partial<Frame["header"]>, payload?: Uint8Array): Replace => {
  return async ({ header, payload: own }, channel) => {
    const bytes = payload ?? own;
    const frame = { header: { ...header, size: bytes.length, ...change }, payload: bytes, fds: [] };
    return channel.sendBytes(frameBytes(frame), []);
  };
};

test("the back-end hangs up instead of each of its replies (torture, group 11)", async (t) => {
  await atEachReply(t, async (_frame, channel) => channel.close());
});

test("each reply has another number (group 6), version (4) or no reply flag (5)", async (t) => {
  await atEachReply(t, altered({ request: 4242 }));
  for (const flags of [4, 6, 7, 1]) await atEachReply(t, altered({ flags }));
});

test("each reply is empty, or announces more than any message has (group 2 and 3)", async (t) => {
  await atEachReply(t, altered({}, new Uint8Array()), true);
  for (const size of [4097, 2 ** 31, 2 ** 32 - 1]) await atEachReply(t, altered({ size }));
});

test("each reply brings descriptors that were not requested (group 13 and 14)", async (t) => {
  const fd = event(t);
  for (const count of [1, 9, 253]) {
    const fds = Array.from({ length: count }, () => fd);
    await atEachReply(t, async (frame, channel) => channel.sendBytes(frameBytes(frame), fds), true);
  }
});

test("each reply comes one byte at a time (group 9), or twice in one write (10)", async (t) => {
  await atEachReply(
    t,
    async (frame, channel) => {
      for (const byte of frameBytes(frame)) await channel.sendBytes(Uint8Array.of(byte), []);
    },
    true,
  );
  await atEachReply(
    t,
    async (frame, channel) => {
      const bytes = frameBytes(frame);
      await channel.sendBytes(Uint8Array.from([...bytes, ...bytes]), []);
    },
    true,
  );
});

/** A client, and the far end of its back-end channel, for whatever a back-end may send there. */
async function withChannel(
  t: TestContext,
  hostile: (channel: UnixChannel, client: Client, problems: Error[]) => Promise<void>,
): Promise<void> {
  let far: OwnedFd | undefined;
  const served = await serveDisk(t, (options) => ({
    ...options,
    channel: (channel) =>
      new Interceptor(channel, {
        received: (frame) => {
          const { header, fds } = frame;
          if (header.request === FrontendRequest.SetBackendReqFd) far = fds[0]?.duplicate();
          return frame;
        },
      }),
  }));
  const problems: Error[] = [];
  const regions = new SharedMemoryRegions();
  const client = await Client.connect(served.path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 1 << 20 },
    protocolFeatures: ProtocolFeature.BackendSendFd,
    backendRequests: regions.handlers,
    onProblem: (problem) => problems.push(problem),
  });
  const driver = await BlockDriver.start(client, SMALL);
  assert.ok(far);
  const channel = new UnixChannel(UnixSocket.adopt(far));
  try {
    await hostile(channel, client, problems);
    // Whatever came there, the session and its rings go on.
    assert.equal((await driver.read(0, 512)).length, 512);
    assert.equal(regions.mappings.length, 0);
  } finally {
    channel.close();
    regions.reset();
    await client.close();
  }
}

const NEED_REPLY = HeaderFlag.Version | HeaderFlag.NeedReply;

for (const spec of Object.values(backendRequests) as unknown as RequestSpec[]) {
  test(`${spec.name} with the wrong size, descriptors or flags, or without its feature`, async (t) => {
    const fd = event(t);
    const { number, payload, name } = spec;
    for (const size of new Set([0, 1, payload.minSize, payload.maxSize + 1, 4096])) {
      for (const count of [0, 1, 9]) {
        for (const flags of [1, NEED_REPLY, 0, 5, 0xffff_fff1]) {
          await withChannel(t, async (channel, _client, problems) => {
            const fds = Array.from({ length: count }, () => fd);
            const header = { request: number, flags, size };
            const frame = { header, payload: new Uint8Array(size).fill(0xff), fds: [] };
            let answered = 0;
            channel.onFrame(() => {
              answered += 1;
            });
            await channel.sendBytes(frameBytes(frame), fds).catch(() => undefined);
            let closed = false;
            void channel.closed.then(() => (closed = true));
            const mayBeTaken = (flags & 0xf) === HeaderFlag.Version;
            await until(() => closed || answered > 0 || mayBeTaken, `an end of ${name}`);
            if (closed) assert.ok(problems.length > 0, "the problem is reported");
          });
          // One combination of the rare flags and sizes is enough for each.
          if (size !== payload.minSize) break;
        }
      }
    }
  });
}

test("numbers of no request on the back-end channel, and a channel that is closed at once", async (t) => {
  for (const request of [0, 11, 255, 2 ** 32 - 1]) {
    await withChannel(t, async (channel, _client, problems) => {
      const header = { request, flags: 1, size: 0 };
      channel.onFrame(() => undefined);
      await channel.sendBytes(frameBytes({ header, payload: new Uint8Array(), fds: [] }), []);
      await channel.closed.catch(() => undefined);
      assert.ok(problems.length > 0);
    });
  }
  await withChannel(t, async (channel) => channel.close());
});
