import { join } from "node:path";
import { BackendServer } from "../../../endpoints/backend/index.ts";
import { Deferred, delay } from "../../../core/base/index.ts";
import { BLOCK_DRIVER_FEATURES, BlockDevice } from "../../../endpoints/devices/block/index.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import { FrontendRequest } from "../../../core/protocol/index.ts";
import { connectSocket, UnixChannel } from "../../../core/transport/index.ts";
import type { TestContext } from "../context.ts";
import { expectEqual } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { memoryDisk, startQemu } from "./programs.ts";

const CONNECTIONS = 5;
const TIMEOUT_MS = 20_000;
const QUIET_MS = 20;

/** A connection to a front-end, and the first thing that it says. */
interface Visit {
  readonly channel: UnixChannel;
  readonly first: Promise<number>;
}

async function visit(context: TestContext, socket: string): Promise<Visit> {
  const options = { signal: context.signal, timeoutMs: TIMEOUT_MS };
  const channel = new UnixChannel(await connectSocket(socket, options));
  context.defer(() => channel.close());
  const first = new Deferred<number>(options);
  channel.onFrame(({ header }) => first.resolve(header.request));
  void channel.closed.then(({ error }) => first.reject(error));
  return { channel, first: first.promise };
}

/** Connections one after another, and at once. */
export const connectionCases: readonly TestCase[] = [
  {
    title: "QEMU takes connections one after another",
    run: async (context) => {
      const { socket } = await startQemu(context);
      for (let i = 0; i < CONNECTIONS; i += 1) {
        const { channel, first } = await visit(context, socket);
        expectEqual(
          `first request on connection ${i + 1}`,
          await first,
          FrontendRequest.GetFeatures,
        );
        channel.close();
      }
    },
  },
  {
    title: "Five connections at once to QEMU are served one after another",
    run: async (context) => {
      const { socket } = await startQemu(context);
      // QEMU's backlog is short: a connection that is refused is retried until another one has closed.
      let talking = 0;
      const visits = Array.from({ length: CONNECTIONS }, async () => {
        const { channel, first } = await visit(context, socket);
        const request = await first;
        talking += 1;
        expectEqual("connections that QEMU talks to", talking, 1);
        // QEMU would speak within a fraction of that to a second one that it serves.
        await delay(QUIET_MS, context.signal);
        talking -= 1;
        channel.close();
        return request;
      });
      for (const request of await Promise.all(visits)) {
        expectEqual("first request", request, FrontendRequest.GetFeatures);
      }
    },
  },
  {
    title: "Five clients at once on the built-in back-end are all served",
    run: async (context) => {
      const storage = memoryDisk(context);
      const path = join(context.folder, "five.sock");
      const server = await BackendServer.listen(path, {
        device: () => new BlockDevice({ storage }),
      });
      context.defer(() => server.close());
      const clients = await Promise.all(
        Array.from({ length: CONNECTIONS }, async () =>
          Client.connect(path, { deviceFeatures: BLOCK_DRIVER_FEATURES, signal: context.signal }),
        ),
      );
      for (const client of clients) context.defer(async () => client.close());
      expectEqual("sessions at once", server.sessions.size, CONNECTIONS);
      await Promise.all(clients.map(async (client) => client.requests.getFeatures()));
    },
  },
];
