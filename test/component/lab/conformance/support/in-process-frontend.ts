import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  BlockFeature,
} from "../../../../../src/endpoints/devices/block/index.ts";
import { Client, type ClientQueue } from "../../../../../src/endpoints/frontend/index.ts";
import { type OwnedFd, Poller, type UnixSocket } from "../../../../../src/core/os/index.ts";
import type {
  FrontendRun,
  FrontendTarget,
  ProcessEnd,
} from "../../../../../src/lab/conformance/index.ts";
import {
  type Channel,
  connectSocket,
  type Frame,
  frameBytes,
  SocketServer,
  UnixChannel,
} from "../../../../../src/core/transport/index.ts";
import { Relay, type RelayHooks } from "../../../../../src/lab/wire/index.ts";

/** What a {@link FrontendMutant} does with the messages of a connection; left out: they pass. */
export interface FrontendPassing {
  /** What becomes of a message to the back-end. */
  readonly sends?: (frame: Frame) => Frame | readonly Frame[];
  /** What becomes of one from the back-end. */
  readonly receives?: (frame: Frame) => Frame;
}

/** What a mutant can do to the front-end that it pretends to be. */
export interface FrontendWorld {
  /** Which connection it is, from 0. */
  readonly connection: number;
  /** Its process is gone. */
  crash(): void;
  /** Closes it in the end. */
  closing(channel: Pick<Channel, "close">): void;
}

/** Our client with one thing wrong, on which a check of a front-end must not pass. */
export interface FrontendMutant {
  /** What is wrong, in a few words. */
  readonly fault: string;
  /** Once a connection. */
  readonly messages?: (world: FrontendWorld) => FrontendPassing;
  /** Judges what one read of the back-end's bytes returned: false ends the connection. */
  readonly chunk?: (bytes: Uint8Array) => boolean;
  /** What goes wrong is the end of its process. */
  readonly dies?: true;
}

const OPTIONS = {
  deviceFeatures: BLOCK_DRIVER_FEATURES | BlockFeature.ConfigWce,
  memory: { size: 1 << 20 },
  timeoutMs: 5000,
};
/** The field wce of VIRTIO 5.2.4. */
const WCE = 32;
const KILLED: ProcessEnd = { code: null, signal: "SIGSEGV" };

/** Our client in this process: it brings a disk up, reads it, and stays until it is stopped. */
export class InProcessFrontend implements FrontendTarget {
  readonly name: string;
  readonly hasMonitor = true;
  readonly #mutant: FrontendMutant | undefined;

  constructor(mutant?: FrontendMutant) {
    this.name = mutant?.fault ?? "our client";
    this.#mutant = mutant;
  }

  async start(socketPath: string): Promise<FrontendRun> {
    const { messages, chunk, dies } = this.#mutant ?? {};
    let end: ProcessEnd | undefined;
    const crash = (): void => {
      end = KILLED;
    };
    const relay = messages
      ? await relayThrough(socketPath, messages, crash)
      : chunk && (await relayReads(socketPath, chunk));
    const stopping = new AbortController();
    let client: Client | undefined;
    const queues: ClientQueue[] = [];
    const work = async (): Promise<void> => {
      // A mutant that breaks its handshake would repeat it until the deadline.
      const reconnect = { firstDeadlineMs: this.#mutant ? 1000 : 5000 };
      client = await Client.connect(relay?.path ?? socketPath, {
        ...OPTIONS,
        reconnect,
        signal: stopping.signal,
        // A mutant's back-end channel, or the end of the check, may come first.
        onConfigChange: () => void client?.requests.getConfig(0, 8).catch(() => undefined),
      });
      const make = client.createQueue.bind(client);
      client.createQueue = (options) => {
        const queue = make(options);
        queues.push(queue);
        return queue;
      };
      const driver = await BlockDriver.start(client, { depth: 2, transferBytes: 4096 });
      await driver.read(0, 4096);
      if ((client.features & BlockFeature.ConfigWce) !== 0n) {
        await client.requests.setConfig(WCE, Uint8Array.of(1));
      }
    };
    let output = "";
    const ended = work().catch(async (error: Error) => {
      await client?.close();
      output = error.message;
      end = dies ? KILLED : { code: 1, signal: null };
    });
    const execute = async (command: string): Promise<unknown> => {
      for (const queue of queues) {
        if (command === "stop") await client?.stopQueue(queue);
        if (command === "cont") await client?.startQueue(queue);
      }
      return {};
    };
    return {
      get end() {
        return end;
      },
      get output() {
        return output;
      },
      ended: ended.then(() => end ?? { code: 0, signal: null }),
      monitor: async () => ({ execute }),
      stop: async () => {
        stopping.abort();
        await client?.close();
        await ended;
        relay?.close();
      },
    };
  }
}

/** Puts a mutant's messages between our client and the mock. */
async function relayThrough(
  mock: string,
  messages: NonNullable<FrontendMutant["messages"]>,
  crash: () => void,
): Promise<{ path: string; close(): void }> {
  const path = `${mock}.relay`;
  const held: Pick<Channel, "close">[] = [];
  const closing = (channel: Pick<Channel, "close">): void => void held.push(channel);
  const hooks = (connection: number): RelayHooks => {
    const { sends, receives } = messages({ connection, crash, closing });
    return {
      message: async ({ from, channel, frame }, forward) => {
        if (channel === "back-end") return forward(frame);
        const change = from === "front-end" ? sends : receives;
        for (const each of [change?.(frame) ?? frame].flat()) await forward(each);
      },
    };
  };
  const relay = await Relay.start({
    frontend: { listen: path },
    backend: { connect: mock },
    hooks,
  });
  return {
    path,
    close: () => {
      relay.close();
      for (const channel of held) channel.close();
    },
  };
}

/** Forwards requests as messages, as a descriptor belongs to one, and replies as they are read. */
async function relayReads(
  mock: string,
  chunk: (bytes: Uint8Array) => boolean,
): Promise<{ path: string; close(): void }> {
  const path = `${mock}.relay`;
  const held: { close(): void }[] = [];
  const forward = async (front: UnixSocket): Promise<void> => {
    const near = new UnixChannel(front);
    const far = await connectSocket(mock);
    const buffer = new Uint8Array(4096);
    const close = (): void => {
      for (const each of [poller, far, near]) each.close();
    };
    const poller = new Poller(far.fd, { readable: true }, () => {
      const fds: OwnedFd[] = [];
      const count = far.receive(buffer, 0, buffer.length, fds);
      if (count < 0) return;
      const bytes = buffer.slice(0, count);
      if (count === 0 || !chunk(bytes)) close();
      else void near.sendBytes(bytes, fds);
      for (const fd of fds) fd.close();
    });
    near.onFrame((frame) => {
      const bytes = frameBytes(frame);
      far.send(bytes, 0, bytes.length, frame.fds);
    });
    held.push({ close });
    void near.closed.then(close);
  };
  const server = await SocketServer.listen(path, (socket) => void forward(socket));
  held.push(server);
  return {
    path,
    close: () => {
      for (const each of held) each.close();
    },
  };
}
