/** Network devices: our client and our back-end against DPDK's, with DPDK on the other side. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { findProgram, Testpmd, waitUntilListening } from "../../src/peers/index.ts";
import { delay } from "../../src/base/index.ts";
import type { Sampler } from "./pairs.ts";
import { BACKEND_CPU, command, folder, LOAD_CPU, Missing, start, stop } from "./programs.ts";
import type { Cell, Row, Timing } from "./row.ts";

const lcores = (cpu: number): string => `0@${cpu},1@${cpu}`;
const socket = join(folder, "net.sock");

type Mode = "rxonly" | "txonly";

async function testpmd(
  role: "backend" | "frontend",
  mode: Mode,
  packed: boolean,
): Promise<Testpmd> {
  if (findProgram("dpdk-testpmd") === undefined) throw new Missing("dpdk-testpmd is missing");
  const isFrontend = role === "frontend";
  const peer = await Testpmd.start({
    socketPath: socket,
    role,
    lcores: lcores(isFrontend ? LOAD_CPU : BACKEND_CPU),
    deviceOptions: isFrontend && packed ? "packed_vq=1" : undefined,
    applicationArguments: [`--forward-mode=${mode}`],
  });
  await peer.command("start");
  return peer;
}

/** Frames a second that a testpmd has received or sent. */
async function framesPerSecond(
  peer: Testpmd,
  way: "RX" | "TX",
  { seconds, warmUpSeconds }: Timing,
) {
  const read = async (): Promise<[number, number]> => {
    const text = await peer.command("show port stats 0");
    const frames = Number(new RegExp(`${way}-packets: (\\d+)`).exec(text)?.[1] ?? Number.NaN);
    return [frames, performance.now()];
  };
  await delay(warmUpSeconds * 1000);
  const [before, from] = await read();
  await delay(seconds * 1000);
  const [after, to] = await read();
  return ((after - before) / (to - from)) * 1000;
}

function ourLoad(what: "tx" | "rx", packed: boolean): ChildProcess {
  const words = [command, "bench", "net", what, socket, "--completion", "poll", "--seconds", "60s"];
  const more = packed ? ["--packed"] : [];
  return spawn("taskset", ["-c", String(LOAD_CPU), process.execPath, ...words, "-q", ...more], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Our client and DPDK's virtio-user in turns on one DPDK back-end. */
function clientCell(what: "tx" | "rx", packed: boolean): Cell {
  const [backendMode, theirMode]: [Mode, Mode] =
    what === "tx" ? ["rxonly", "txonly"] : ["txonly", "rxonly"];
  const way = what === "tx" ? "RX" : "TX";
  return {
    name: packed ? "packed" : "split",
    setUp: async (timing) => {
      const backend = await testpmd("backend", backendMode, packed);
      const ours: Sampler = async () => {
        const load = ourLoad(what, packed);
        try {
          await delay(700);
          return await framesPerSecond(backend, way, timing);
        } finally {
          await stop(load);
        }
      };
      const theirs: Sampler = async () => {
        const load = await testpmd("frontend", theirMode, packed);
        try {
          return await framesPerSecond(backend, way, timing);
        } finally {
          await load.stop();
        }
      };
      return { ours, theirs, end: async () => void (await backend.stop()) };
    },
  };
}

/** Our back-end and DPDK's in turns under DPDK's virtio-user, which sends. */
function backendCell(packed: boolean): Cell {
  const measured =
    (begin: () => Promise<() => Promise<unknown>>, timing: Timing): Sampler =>
    async () => {
      const end = await begin();
      try {
        await waitUntilListening(socket, { timeoutMs: 20_000 });
        const load = await testpmd("frontend", "txonly", packed);
        try {
          return await framesPerSecond(load, "TX", timing);
        } finally {
          await load.stop();
        }
      } finally {
        await end();
      }
    };
  const ours = async (): Promise<() => Promise<unknown>> => {
    const words = [process.execPath, command, "serve", "net", "--socket", socket, "-q"];
    const how = ["--mode", "sink", "--workers", "--look", "poll"];
    const server = await start(BACKEND_CPU, [...words, ...how], socket);
    return async () => stop(server);
  };
  const theirs = async (): Promise<() => Promise<unknown>> => {
    const peer = await testpmd("backend", "rxonly", packed);
    return async () => peer.stop();
  };
  return {
    name: packed ? "packed" : "split",
    setUp: async (timing) => ({
      ours: measured(ours, timing),
      theirs: measured(theirs, timing),
      end: async () => undefined,
    }),
  };
}

export function netRows(): Row[] {
  const both = (cell: (packed: boolean) => Cell): Cell[] => [cell(false), cell(true)];
  return [
    {
      name: "64-byte frames into DPDK net_vhost (rxonly)",
      against: "testpmd txonly on virtio-user",
      target: 1.3,
      unit: "frames/s",
      cells: both((packed) => clientCell("tx", packed)),
    },
    {
      name: "64-byte frames out of DPDK net_vhost (txonly)",
      against: "testpmd rxonly on virtio-user",
      target: 1,
      unit: "frames/s",
      cells: both((packed) => clientCell("rx", packed)),
    },
    {
      name: "our net back-end receiving from testpmd virtio-user",
      against: "testpmd rxonly on net_vhost",
      target: 1,
      unit: "frames/s",
      cells: both(backendCell),
    },
  ];
}
