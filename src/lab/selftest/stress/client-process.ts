/** A process of the stress group: many clients in one. */
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  BlockQueue,
  BlockRequest,
  SECTOR_SIZE,
} from "../../../endpoints/devices/block/index.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import { SystemError } from "../../../core/base/index.ts";
import type { UnixSocket } from "../../../core/os/index.ts";
import { connectSocket } from "../../../core/transport/index.ts";
import { answerParent, forEach, usageOf } from "./answering.ts";
import { CLIENT_SHARE, type Commands } from "./messages.ts";

interface Session {
  readonly index: number;
  readonly client: Client;
  readonly driver: BlockDriver;
}

/** Handshakes at once: more would only wait in the listener's backlog. */
const HANDSHAKES = 32;
const TIMEOUT_MS = 60_000;
const DRIVER = { depth: 4, queueSize: 16, transferBytes: 4096 };

/** Bytes of a request without payload: GET_FEATURES, version 1. */
const GET_FEATURES = Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
/** More of them than any socket's buffers hold. */
const CLOGGING_REQUESTS = 100_000;

let sessions: Session[] = [];
let clogged: UnixSocket[] = [];

async function open(path: string): Promise<Client> {
  return Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 128 << 10 },
    timeoutMs: TIMEOUT_MS,
  });
}

/** A pattern that depends on the client's index, the round and the position. */
function pattern(index: number, round: number): Uint8Array {
  const first = index * 31 + round * 101;
  return Uint8Array.from({ length: CLIENT_SHARE }, (_, at) => first + at * 7 + (at >> 8));
}

async function verify(
  { index, driver }: Session,
  { round, stallMs: timeoutMs }: Commands["io"]["ask"],
): Promise<void> {
  const data = pattern(index, round);
  await driver.write(index * CLIENT_SHARE, data, { timeoutMs });
  const back = await driver.read(index * CLIENT_SHARE, data.length, { timeoutMs });
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
  io: async (ask) => forEach(sessions, sessions.length, async (session) => verify(session, ask)),
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
  clog: async ({ path, count }) =>
    forEach(Array.from({ length: count }), HANDSHAKES, async () => {
      const socket = await connectSocket(path, { timeoutMs: TIMEOUT_MS });
      clogged.push(socket);
      sendWhatGoes(socket);
    }),
  release: async () => {
    const leaving = clogged;
    clogged = [];
    return forEach(leaving, HANDSHAKES, async (socket) => socket.close());
  },
  dieInIo: async ({ path, position }) => {
    const client = await open(path);
    const options = {
      index: 0,
      size: 64,
      depth: 16,
      transferBytes: 4096,
      ringMode: "event",
    } as const;
    const queue = await BlockQueue.start(client, options, {
      done: () => undefined,
      failed: () => undefined,
    });
    for (let slot = queue.acquire(); slot >= 0; slot = queue.acquire()) {
      queue.submit(slot, BlockRequest.Out, position / SECTOR_SIZE, 4096);
    }
    queue.publish();
    return die();
  },
  usage: async () => usageOf(sessions.length),
});

/** Requests until the socket takes no more; a back-end may also have had enough and be gone. */
function sendWhatGoes(socket: UnixSocket): void {
  const { length } = GET_FEATURES;
  try {
    for (let i = 0; i < CLOGGING_REQUESTS && socket.send(GET_FEATURES, 0, length) >= 0; i += 1);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

/** Ends the process as a crash would, without closing anything in order. */
function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
}
