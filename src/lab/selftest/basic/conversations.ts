import { BlockDriver } from "../../../endpoints/devices/block/index.ts";
import { runBlockPass } from "../../kits/block/workloads/index.ts";
import { ProtocolFeature, requestSpec, VirtioFeature } from "../../../core/protocol/index.ts";
import { expectEqual, expectThat } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { connect, startMock } from "./mock.ts";

/** The order of a bring-up, as a robust front-end sends it. */
const BRING_UP = "1 15 16 21 3 39 2 39 40 37";

/** Conversations with a mock server over a real socket. */
export const conversationCases: readonly TestCase[] = [
  {
    title: "Client successfully communicates with mock server",
    run: async (context) => {
      const client = await connect(context, await startMock(context));
      const offered = await client.requests.getFeatures();
      expectThat((offered & VirtioFeature.Version1) !== 0n, "VIRTIO_F_VERSION_1 in the offer");
    },
  },
  {
    title: "Client sends the bring-up messages in order",
    run: async (context) => {
      const sent: number[] = [];
      await connect(context, await startMock(context), {
        observe: (way, { header }) => {
          if (way === "sent") sent.push(header.request);
        },
      });
      context.note(sent.map((number) => requestSpec("front-end", number)?.name).join(", "));
      expectEqual("requests", sent.join(" "), BRING_UP);
    },
  },
  {
    title: "Protocol features are negotiated",
    run: async (context) => {
      const client = await connect(context, await startMock(context));
      const needed = ProtocolFeature.ReplyAck | ProtocolFeature.Config | ProtocolFeature.Mq;
      expectEqual("acknowledged", client.protocolFeatures & needed, needed);
    },
  },
  {
    title: "A back-end without protocol features is served",
    run: async (context) => {
      const without = { virtio: VirtioFeature.ProtocolFeatures };
      const client = await connect(context, await startMock(context, [], { without }));
      expectEqual("protocol features", client.protocolFeatures, 0n);
    },
  },
  {
    title: "Configuration space is read",
    run: async (context) => {
      const client = await connect(context, await startMock(context));
      const driver = await BlockDriver.start(client);
      expectEqual("capacity", driver.size, 1 << 20);
    },
  },
  {
    title: "Data written through the mock server reads back the same",
    run: async (context) => {
      const client = await connect(context, await startMock(context));
      const driver = await BlockDriver.start(client, { depth: 8, transferBytes: 16_384 });
      const [queue] = driver.queues;
      if (queue === undefined) throw new Error("the client has no queue");
      const pass = { size: driver.size, seed: 1, signal: context.signal };
      await runBlockPass(queue, { ...pass, work: "write" });
      const { bytes } = await runBlockPass(queue, { ...pass, work: "verify" });
      expectEqual("verified bytes", bytes, 1 << 20);
    },
  },
  {
    title: "Several clients are served at once",
    run: async (context) => {
      const path = await startMock(context);
      const clients = await Promise.all([1, 2, 3, 4, 5].map(async () => connect(context, path)));
      const answers = await Promise.all(
        clients.map(async (client) => client.requests.getFeatures()),
      );
      expectEqual("answers", new Set(answers).size, 1);
    },
  },
];
