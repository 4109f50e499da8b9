import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../../src/endpoints/devices/block/index.ts";
import { Client, type ClientQueue } from "../../../src/endpoints/frontend/index.ts";
import { type OwnedFd, Poller, type UnixSocket } from "../../../src/core/os/index.ts";
import type {
  FrontendRun,
  FrontendTarget,
  ProcessEnd,
} from "../../../src/lab/conformance/index.ts";
import {
  type Channel,
  connectSocket,
  type Frame,
  frameBytes,
  SocketServer,
  UnixChannel,
} from "../../../src/core/transport/index.ts";

/** What a {@link FrontendMutant} does with the messages of a connection; left out: they pass. */
export interface FrontendPassing {
  /** What becomes of a message to the back-end. */
  readonly sends?: (frame: Frame) => Frame | readonly Frame[];
  /** What becomes of one from the back-end. */
  readonly receives?: (frame: Frame) => Frame;
  /** What is received at once: false ends the connection. In place of `receives`. */
  readonly chunk?: (bytes: Uint8Array) => boolean;
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
  /** What goes wrong is the end of its process. */
  readonly dies?: true;
}

const OPTIONS = {
  deviceFeatures: BLOCK_DRIVER_FEATURES,
  memory: { size: 1 << 20 },
  timeoutMs: 5000,
  onConfigChange: () => undefined,
};
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
    const { messages, dies } = this.#mutant ?? {};
    let end: ProcessEnd | undefined;
    const crash = (): void => {
      end = KILLED;
    };
    const relay = messages && (await Relay.start(socketPath, messages, crash));
    let client: Client | undefined;
    const queues: ClientQueue[] = [];
    const work = async (): Promise<void> => {
      // A mutant that breaks its handshake would repeat it until the deadline.
      const reconnect = { firstDeadlineMs: this.#mutant ? 1000 : 5000 };
      client = await Client.connect(relay?.path ?? socketPath, { ...OPTIONS, reconnect });
      const make = client.createQueue.bind(client);
      client.createQueue = (options) => {
        const queue = make(options);
        queues.push(queue);
        return queue;
      };
      const driver = await BlockDriver.start(client, { depth: 2, transferBytes: 4096 });
      await driver.read(0, 4096);
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
        await client?.close();
        await ended;
        relay?.close();
      },
    };
  }
}

/** Between our client and the mock: each message goes through the mutant. */
class Relay {
  readonly path: string;
  readonly #server: SocketServer;
  readonly #channels = new Set<Pick<Channel, "close">>();

  private constructor(path: string, server: SocketServer) {
    this.path = path;
    this.#server = server;
  }

  static async start(
    target: string,
    messages: NonNullable<FrontendMutant["messages"]>,
    crash: () => void,
  ): Promise<Relay> {
    const path = `${target}.relay`;
    let connections = 0;
    const server = await SocketServer.listen(path, (socket) => {
      const near = new UnixChannel(socket);
      const closing = (channel: Pick<Channel, "close">): void => {
        relay.#channels.add(channel);
      };
      closing(near);
      const passing = messages({ connection: connections, crash, closing });
      connections += 1;
      void relay.#forward(near, target, passing);
    });
    const relay = new Relay(path, server);
    return relay;
  }

  close(): void {
    this.#server.close();
    for (const channel of this.#channels) channel.close();
  }

  async #forward(
    near: UnixChannel,
    target: string,
    { sends = (frame) => frame, receives = (frame) => frame, chunk }: FrontendPassing,
  ): Promise<void> {
    const socket = await connectSocket(target);
    if (chunk) return this.#forwardBytes(near, socket, chunk);
    const far = new UnixChannel(socket);
    this.#channels.add(far);
    near.onFrame(async (frame) => {
      for (const each of [sends(frame)].flat()) await far.send(each);
    });
    far.onFrame(async (frame) => near.send(receives(frame)));
    void near.closed.then(() => far.close());
    void far.closed.then(() => near.close());
  }
  /** Requests as messages, as a descriptor belongs to one; replies as they are received. */
  #forwardBytes(near: UnixChannel, far: UnixSocket, chunk: (bytes: Uint8Array) => boolean): void {
    const buffer = new Uint8Array(4096);
    const close = (): void => {
      poller.close();
      far.close();
      near.close();
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
    this.#channels.add({ close });
    void near.closed.then(close);
  }
}
