/** A process of the stress group: many clients in one. */
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  BlockQueue,
  BlockRequest,
} from "../../devices/block/index.ts";
import { Client } from "../../frontend/index.ts";
import { connectSocket } from "../../transport/index.ts";
import { answerParent, forEach, usageOf } from "./answering.ts";
import { CLIENT_SHARE } from "./messages.ts";

interface Session {
  readonly index: number;
  readonly client: Client;
  readonly driver: BlockDriver;
}

/** Handshakes at once: more would only wait in the listener's backlog. */
const HANDSHAKES = 32;
const TIMEOUT_MS = 60_000;
const DRIVER = { depth: 4, queueSize: 16, transferBytes: 4096 };

let sessions: Session[] = [];

async function open(path: string): Promise<Client> {
  return Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 128 << 10 },
    timeoutMs: TIMEOUT_MS,
  });
}

/** Its index in every byte, and where it stands. */
function pattern(index: number): Uint8Array {
  return Uint8Array.from({ length: CLIENT_SHARE }, (_, at) => index * 31 + at * 7 + (at >> 8));
}

async function verify({ index, driver }: Session): Promise<void> {
  const data = pattern(index);
  await driver.write(index * CLIENT_SHARE, data, { timeoutMs: TIMEOUT_MS });
  const back = await driver.read(index * CLIENT_SHARE, data.length, { timeoutMs: TIMEOUT_MS });
  const at = data.findIndex((byte, i) => byte !== back[i]);
  if (at >= 0)
    throw new Error(`expected ${data[at]} at byte ${at} of a client's share, got ${back[at]}`);
}

answerParent({
  open: async ({ path, first, count }) =>
    forEach(
      Array.from({ length: count }, (_, i) => first + i),
      HANDSHAKES,
      async (index) => {
        const client = await open(path);
        sessions.push({ index, client, driver: await BlockDriver.start(client, DRIVER) });
      },
    ),
  io: async () => forEach(sessions, sessions.length, verify),
  close: async () => {
    const closing = sessions;
    sessions = [];
    return forEach(closing, HANDSHAKES, async ({ client }) => client.close());
  },
  storm: async ({ path, count }) =>
    forEach(Array.from({ length: count }), HANDSHAKES, async () => {
      (await connectSocket(path, { timeoutMs: TIMEOUT_MS })).close();
    }),
  dieInMessage: async ({ path, bytes }) => {
    const socket = await connectSocket(path);
    socket.send(
      Uint8Array.of(5, 0, 0, 0, 1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0).subarray(0, bytes),
      0,
      bytes,
    );
    return die();
  },
  dieInIo: async ({ path }) => {
    const client = await open(path);
    const options = {
      index: 0,
      size: 64,
      depth: 16,
      transferBytes: 4096,
      completion: "event",
    } as const;
    const queue = await BlockQueue.start(client, options, {
      done: () => undefined,
      failed: () => undefined,
    });
    for (let slot = queue.acquire(); slot >= 0; slot = queue.acquire()) {
      queue.submit(slot, BlockRequest.Out, 0, 4096);
    }
    queue.publish();
    return die();
  },
  usage: async () => usageOf(sessions.length),
});

/** As a crash would: nothing is closed in order. */
function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
}
