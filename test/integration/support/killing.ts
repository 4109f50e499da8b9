import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { delay } from "../../../src/core/base/index.ts";
import { BLOCK_DRIVER_FEATURES } from "../../../src/endpoints/devices/block/index.ts";
import { Client, type ReconnectReport } from "../../../src/endpoints/frontend/index.ts";
import { KillLoad, type KillLoadOptions } from "../../support/kill-load.ts";
import type { Running } from "./command.ts";
import { Workspace } from "./workspace.ts";

const BLOCKS = 512;

export interface Killing {
  readonly kills: number;
  readonly packed: boolean;
  /** Of `serve block`. */
  readonly serve: readonly string[];
  readonly ringMode?: KillLoadOptions["ringMode"];
  /** The back-end connects, and the client listens. */
  readonly listen?: boolean;
}

/**
 * Kills the back-end of a client under load, at random instants, and starts it again on the same
 * socket each time. Each request has to complete once, and the disk to hold what was written.
 */
export async function killUnderLoad(t: TestContext, options: Killing): Promise<void> {
  const { kills, packed, serve, ringMode = "event", listen = false } = options;
  const seed = Number(process.env["VHOST_USER_SEED"] ?? Date.now() & 0x7fff_ffff);
  const space = new Workspace(t);
  const image = space.file("disk.img", new Uint8Array(BLOCKS * 4096));
  const socket = space.path("disk.sock");
  const where = listen ? ["--connect", socket] : ["--socket", socket];
  const args = ["serve", "block", ...where, "--image", image, ...serve];
  const began = listen ? /connecting to/ : /listening on/;
  const start = async (): Promise<Running> => {
    const server = space.start(args);
    await server.printed(began);
    return server;
  };
  let server = listen ? undefined : await start();
  const reports: ReconnectReport[] = [];
  const coming = Client[listen ? "accept" : "connect"](socket, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 1 << 20 },
    packed,
    timeoutMs: 20_000,
    reconnect: {
      deadlineMs: 60_000,
      maxDelayMs: 20,
      onReconnect: (report) => reports.push(report),
    },
  });
  server ??= await start();
  const client = await coming;
  try {
    const load = await KillLoad.start(client, { blocks: BLOCKS, depth: 16, ringMode, seed });
    for (let kill = 0; kill < kills && load.failure === undefined; kill += 1) {
      // One in four may strike before or in the handshake. The random instant is what is tested, so
      // here time is waited for, and nothing depends on it.
      if (kill % 4 > 0) await load.progress();
      await delay(Math.random() * 60);
      await server.stop("SIGKILL");
      server = await start();
    }
    await load.finish();
    load.expectOn(readFileSync(image));
    const inFlight = reports.map(({ queues }) => queues[0]?.inFlight ?? 0);
    const most = reports.length === 0 ? 0 : Math.max(...inFlight);
    t.diagnostic(
      `${kills} kills: ${load.completed} requests completed, 0 lost, 0 twice, ${load.overtaken} out of order; ` +
        `${client.reconnects} reconnects, ${client.replayed} resubmitted (at most ${most} at once), seed ${seed}`,
    );
  } finally {
    await client.close();
  }
}
