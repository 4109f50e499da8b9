import { lstatSync } from "node:fs";
import { isListening, UnixSocket } from "../../../core/os/index.ts";
import { probe } from "../../probe/index.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import { BLOCK_DRIVER_FEATURES } from "../../../endpoints/devices/block/index.ts";
import { connectSocket } from "../../../core/transport/index.ts";
import { expectEqual, expectThat } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { startDaemon, startQemu } from "./programs.ts";

/**
 * The features that every front-end of QEMU has acknowledged, and every block back-end offered,
 * since 2022.
 */
const QEMU_ACKNOWLEDGES = ["VHOST_USER_PROTOCOL_F_MQ", "VHOST_USER_PROTOCOL_F_REPLY_ACK"];

/** QEMU is there, and talks vhost-user. */
export const serverCases: readonly TestCase[] = [
  {
    title: "QEMU vhost-user server is running",
    run: async (context) => {
      const { socket, qemu } = await startQemu(context);
      expectThat(isListening(socket, qemu.pid), `a listener on ${socket}`);
      context.note(`pid ${qemu.pid}`);
    },
  },
  {
    title: "Socket has the right type and permissions",
    run: async (context) => {
      const { socket } = await startQemu(context);
      const stats = lstatSync(socket);
      expectThat(stats.isSocket(), `${socket} to be a socket`);
      expectThat((stats.mode & 0o600) === 0o600, "its owner to be allowed to connect");
      context.note(`mode ${(stats.mode & 0o777).toString(8)}, owner ${stats.uid}`);
    },
  },
  {
    title: "Can connect to QEMU vhost-user socket",
    run: async (context) => {
      const { socket, qemu } = await startQemu(context);
      const connection: UnixSocket = await connectSocket(socket, {
        signal: context.signal,
        timeoutMs: 5000,
      });
      context.defer(() => connection.close());
      expectEqual("pid of the listener", connection.peer.pid, qemu.pid);
    },
  },
  {
    title: "Vhost-user protocol communication works with QEMU",
    run: async (context) => {
      const { socket } = await startQemu(context);
      const found = await probe(socket, { signal: context.signal });
      expectEqual("role", found.role, "front-end");
      context.note(`role found in ${found.timingsUs.role} µs`);
    },
  },
  {
    title: "Protocol features are negotiated with QEMU as front-end",
    run: async (context) => {
      const { socket } = await startQemu(context);
      const { protocolFeatures, protocolFeatureBits } = await probe(socket, {
        signal: context.signal,
      });
      for (const name of QEMU_ACKNOWLEDGES) expectThat(protocolFeatures.includes(name), name);
      context.note(`acknowledged ${protocolFeatureBits}`);
    },
  },
  {
    title: "Protocol features are negotiated with qemu-storage-daemon as back-end",
    run: async (context) => {
      const { socket } = await startDaemon(context);
      await using client = await Client.connect(socket, {
        deviceFeatures: BLOCK_DRIVER_FEATURES,
        signal: context.signal,
      });
      expectThat(client.protocolFeatures !== 0n, "protocol features in use");
      context.note(
        `features 0x${client.features.toString(16)}, protocol 0x${client.protocolFeatures.toString(16)}`,
      );
    },
  },
];
