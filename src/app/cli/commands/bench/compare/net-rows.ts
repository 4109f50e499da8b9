/** Network devices: our client and our back-end against DPDK's, with DPDK on the other side. */
import { delay, TimeoutError } from "../../../../../core/base/index.ts";
import { findProgram, type ManagedProcess, Testpmd } from "../../../../../lab/programs/index.ts";
import type { Sampler } from "./pairs.ts";
import { BACKEND_CPU, LOAD_CPU, Missing, ourCommand, type Programs } from "./programs.ts";
import type { Cell, Row, Timing } from "./row.ts";

const lcores = (cpu: number): string => `0@${cpu},1@${cpu}`;
const socketOf = (programs: Programs): string => programs.path("net.sock");

/** Milliseconds that both sides may take until the first frame. */
const START_MS = 20_000;

type Mode = "rxonly" | "txonly";

async function testpmd(
  programs: Programs,
  role: "backend" | "frontend",
  mode: Mode,
  packed: boolean,
): Promise<Testpmd> {
  const launcher = launcherOf(programs);
  const isFrontend = role === "frontend";
  const peer = await Testpmd.start({
    launcher,
    socketPath: socketOf(programs),
    role,
    lcores: lcores(isFrontend ? LOAD_CPU : BACKEND_CPU),
    deviceOptions: isFrontend && packed ? "packed_vq=1" : undefined,
    applicationArguments: [`--forward-mode=${mode}`],
  });
  await peer.command("start");
  return peer;
}

/**
 * DPDK of the tree, with its drivers, where there is one.
 *
 * @throws {Missing}
 */
function launcherOf(programs: Programs): string[] | undefined {
  const drivers = programs.inTree("usr/lib/x86_64-linux-gnu/dpdk/pmds-25.0");
  if (drivers !== undefined) return [...programs.fromTree("usr/bin/dpdk-testpmd"), "-d", drivers];
  if (findProgram("dpdk-testpmd") === undefined) throw new Missing("dpdk-testpmd is missing");
  return undefined;
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
  // However long the other side takes to come up: what counts is that frames pass.
  const [idle, since] = await read();
  while ((await read())[0] === idle) {
    if (performance.now() - since > START_MS) throw new TimeoutError("no frame has passed");
    await delay(50);
  }
  await delay(warmUpSeconds * 1000);
  const [before, from] = await read();
  await delay(seconds * 1000);
  const [after, to] = await read();
  return ((after - before) / (to - from)) * 1000;
}

async function ourLoad(
  programs: Programs,
  what: "tx" | "rx",
  packed: boolean,
): Promise<ManagedProcess> {
  const words = ["bench", "net", what, socketOf(programs), "--ring-mode", "poll"];
  // DPDK's virtio-user always has completions in order; its back-end batches them in packed rings.
  const format = packed ? ["--packed", "--in-order"] : [];
  const more = ["--runtime", "60s", "-q", ...format];
  return programs.spawn(LOAD_CPU, [...ourCommand, ...words, ...more]);
}

/** Our client and DPDK's virtio-user in turns on one DPDK back-end. */
function clientCell(programs: Programs, what: "tx" | "rx", packed: boolean): Cell {
  const [backendMode, theirMode]: [Mode, Mode] =
    what === "tx" ? ["rxonly", "txonly"] : ["txonly", "rxonly"];
  const way = what === "tx" ? "RX" : "TX";
  return {
    name: packed ? "packed" : "split",
    setUp: async (timing) => {
      const backend = await testpmd(programs, "backend", backendMode, packed);
      const ours: Sampler = async () => {
        const load = await ourLoad(programs, what, packed);
        try {
          return await framesPerSecond(backend, way, timing);
        } finally {
          await load.stop();
        }
      };
      const theirs: Sampler = async () => {
        const load = await testpmd(programs, "frontend", theirMode, packed);
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
function backendCell(programs: Programs, packed: boolean): Cell {
  const measured =
    (begin: () => Promise<() => Promise<unknown>>, timing: Timing): Sampler =>
    async () => {
      const end = await begin();
      try {
        const load = await testpmd(programs, "frontend", "txonly", packed);
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
    const socket = socketOf(programs);
    const words = [...ourCommand, "serve", "net", "--socket", socket, "-q"];
    const how = ["--traffic", "sink", "--workers", "--ring-mode", "poll"];
    const server = await programs.start(BACKEND_CPU, [...words, ...how], socket);
    return async () => server.stop();
  };
  const theirs = async (): Promise<() => Promise<unknown>> => {
    const peer = await testpmd(programs, "backend", "rxonly", packed);
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

export function netRows(programs: Programs): Row[] {
  const both = (cell: (packed: boolean) => Cell): Cell[] => [cell(false), cell(true)];
  return [
    {
      name: "64-byte frames into DPDK net_vhost (rxonly)",
      against: "testpmd txonly on virtio-user",
      target: 1.3,
      unit: "frames/s",
      cells: both((packed) => clientCell(programs, "tx", packed)),
    },
    {
      name: "64-byte frames out of DPDK net_vhost (txonly)",
      against: "testpmd rxonly on virtio-user",
      target: 1,
      unit: "frames/s",
      cells: both((packed) => clientCell(programs, "rx", packed)),
    },
    {
      name: "our net back-end receiving from testpmd virtio-user",
      against: "testpmd rxonly on net_vhost",
      target: 1,
      unit: "frames/s",
      cells: both((packed) => backendCell(programs, packed)),
    },
  ];
}
