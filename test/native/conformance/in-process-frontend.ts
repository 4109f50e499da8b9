import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../../src/devices/block/index.ts";
import { Client } from "../../../src/frontend/index.ts";
import type { FrontendRun, FrontendTarget, ProcessEnd } from "../../../src/suite/index.ts";
import {
  connectSocket,
  type Frame,
  SocketServer,
  UnixChannel,
} from "../../../src/transport/index.ts";

/** Our client with one thing wrong, on which a check of a front-end must not pass. */
export interface FrontendMutant {
  /** What is wrong, in a few words. */
  readonly fault: string;
  /** What becomes of a message to the back-end; once a connection. */
  readonly sends: () => (frame: Frame) => Frame | readonly Frame[];
}

/** Our client in this process: it brings a disk up, reads it, and stays until it is stopped. */
export class InProcessFrontend implements FrontendTarget {
  readonly name: string;
  readonly hasMonitor = false;
  readonly #mutant: FrontendMutant | undefined;

  constructor(mutant?: FrontendMutant) {
    this.name = mutant?.fault ?? "our client";
    this.#mutant = mutant;
  }

  async start(socketPath: string): Promise<FrontendRun> {
    const relay = this.#mutant && (await Relay.start(socketPath, this.#mutant));
    let client: Client | undefined;
    let end: ProcessEnd | undefined;
    const work = async (): Promise<void> => {
      client = await Client.connect(relay?.path ?? socketPath, {
        deviceFeatures: BLOCK_DRIVER_FEATURES,
        memory: { size: 1 << 20 },
        timeoutMs: 5000,
      });
      const driver = await BlockDriver.start(client, { depth: 2, transferBytes: 4096 });
      await driver.read(0, 4096);
    };
    let output = "";
    const ended = work().catch(async (error: Error) => {
      await client?.close();
      output = error.message;
      end = { code: 1, signal: null };
    });
    return {
      get end() {
        return end;
      },
      get output() {
        return output;
      },
      ended: ended.then(() => end ?? { code: 0, signal: null }),
      monitor: async () => Promise.reject(new Error("there is no monitor")),
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
  readonly #channels = new Set<UnixChannel>();

  private constructor(path: string, server: SocketServer) {
    this.path = path;
    this.#server = server;
  }

  static async start(target: string, mutant: FrontendMutant): Promise<Relay> {
    const path = `${target}.relay`;
    const server = await SocketServer.listen(path, (socket) => {
      const near = new UnixChannel(socket);
      relay.#channels.add(near);
      void relay.#forward(near, target, mutant.sends());
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
    sends: ReturnType<FrontendMutant["sends"]>,
  ): Promise<void> {
    const far = new UnixChannel(await connectSocket(target));
    this.#channels.add(far);
    near.onFrame(async (frame) => {
      for (const each of [sends(frame)].flat()) await far.send(each);
    });
    far.onFrame(async (frame) => near.send(frame));
    void near.closed.then(() => far.close());
    void far.closed.then(() => near.close());
  }
}
