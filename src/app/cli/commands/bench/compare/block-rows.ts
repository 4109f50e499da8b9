/** Block devices: our client against libblkio, our back-end against qemu-storage-daemon. */
import { writeFileSync } from "node:fs";
import type { ManagedProcess } from "../../../../../lab/programs/index.ts";
import type { RingMode } from "../../../../../core/runtime/index.ts";
import type { Sampler } from "./pairs.ts";
import { BACKEND_CPU, LOAD_CPU, ourCommand, type Programs } from "./programs.ts";
import type { Cell, Row, Timing } from "./row.ts";

const BLOCK_BYTES = 4096;
const DEPTHS = [1, 16, 64];
const NULL_BYTES = 2 ** 30;
const FILE_BYTES = 2 ** 28;
/** Requests of the first qemu-img run, which measures the rate. */
const TRIAL_REQUESTS = 20_000;

type Begin = () => Promise<ManagedProcess>;

async function daemon(programs: Programs, name: string, node: string): Promise<ManagedProcess> {
  const socket = programs.path(`${name}.sock`);
  return programs.start(
    BACKEND_CPU,
    [
      ...programs.fromTree("usr/bin/qemu-storage-daemon"),
      "--blockdev",
      node,
      "--object",
      "iothread,id=io0",
      "--export",
      `type=vhost-user-blk,id=e0,node-name=n0,iothread=io0,addr.type=unix,addr.path=${socket},writable=on`,
    ],
    socket,
  );
}

const nullNode = `null-co,node-name=n0,size=${NULL_BYTES},read-zeroes=off`;

/** Our own back-end, in the configuration that is meant for speed. */
async function server(
  programs: Programs,
  name: string,
  ...more: readonly string[]
): Promise<ManagedProcess> {
  const socket = programs.path(`${name}.sock`);
  const words = [...ourCommand, "serve", "block", "--socket", socket];
  return programs.start(
    BACKEND_CPU,
    [...words, "--workers", "--ring-mode", "hybrid", "-q", ...more],
    socket,
  );
}

function ourLoad(
  programs: Programs,
  name: string,
  depth: number,
  ringMode: RingMode,
  timing: Timing,
): Sampler {
  const words = [...ourCommand, "bench", "block", programs.path(`${name}.sock`), "--json", "-q"];
  const options = {
    depth,
    "ring-mode": ringMode,
    runtime: `${timing.seconds}s`,
    warmup: `${timing.warmUpSeconds}s`,
    "block-size": BLOCK_BYTES,
  };
  const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
  return async () => {
    const text = await programs.output(LOAD_CPU, [...words, ...flags]);
    return (JSON.parse(text) as { iops: number }).iops;
  };
}

function blkio(
  programs: Programs,
  name: string,
  depth: number,
  mode: "poll" | "event",
  size: number,
  { seconds, warmUpSeconds }: Timing,
): Sampler {
  const words = [mode, depth, BLOCK_BYTES, warmUpSeconds, seconds, size].map(String);
  return async () => {
    const text = await programs.output(LOAD_CPU, [
      ...(await programs.blkioLoad()),
      programs.path(`${name}.sock`),
      ...words,
    ]);
    const result = JSON.parse(text) as { requests: number; seconds: number };
    return result.requests / result.seconds;
  };
}

/** `qemu-img bench` takes a number of requests and no duration: a first run measures the rate. */
function imageBench(programs: Programs, name: string, depth: number, timing: Timing): Sampler {
  const image = `driver=virtio-blk-vhost-user,path=${programs.path(`${name}.sock`)},cache.direct=on`;
  const modules = programs.inTree("usr/lib/x86_64-linux-gnu/qemu");
  const run = async (requests: number): Promise<number> => {
    const words = ["bench", "-d", depth, "-s", BLOCK_BYTES, "-c", requests, "-t", "none"].map(
      String,
    );
    const text = await programs.output(
      LOAD_CPU,
      [...programs.fromTree("usr/bin/qemu-img"), ...words, "--image-opts", image],
      modules === undefined ? {} : { QEMU_MODULE_DIR: modules },
    );
    return requests / Number(/completed in ([\d.]+) seconds/.exec(text)?.[1] ?? Number.NaN);
  };
  return async () => {
    const perSecond = await run(TRIAL_REQUESTS);
    return run(Math.max(TRIAL_REQUESTS, Math.round(perSecond * timing.seconds)));
  };
}

/** Our client and another in turns on one qemu-storage-daemon that moves no data. */
function clientCells(
  programs: Programs,
  ringMode: RingMode,
  theirs: (depth: number, timing: Timing) => Sampler,
): Cell[] {
  return DEPTHS.map((depth) => ({
    name: `depth ${depth}`,
    setUp: async (timing) => {
      const peer = await daemon(programs, "null", nullNode);
      return {
        ours: ourLoad(programs, "null", depth, ringMode, timing),
        theirs: theirs(depth, timing),
        end: async () => void (await peer.stop()),
      };
    },
  }));
}

/** libblkio, polling, in turns on our back-end and on qemu-storage-daemon. */
function backendCell(
  programs: Programs,
  depth: number,
  size: number,
  ours: Begin,
  theirs: Begin,
): Cell {
  return {
    name: `depth ${depth}`,
    setUp: async (timing) => {
      // One at a time: a back-end that looks all the time would take the other's processor.
      const measured =
        (name: string, begin: Begin): Sampler =>
        async () => {
          const backend = await begin();
          try {
            return await blkio(programs, name, depth, "poll", size, timing)();
          } finally {
            await backend.stop();
          }
        };
      return {
        ours: measured("ours", ours),
        theirs: measured("theirs", theirs),
        end: async () => undefined,
      };
    },
  };
}

function imageFile(programs: Programs): string {
  const path = programs.path("image");
  writeFileSync(path, Buffer.alloc(FILE_BYTES, 0x5a));
  return path;
}

export function blockRows(programs: Programs): Row[] {
  const polling = (depth: number, timing: Timing): Sampler =>
    blkio(programs, "null", depth, "poll", NULL_BYTES, timing);
  const waiting = (depth: number, timing: Timing): Sampler =>
    blkio(programs, "null", depth, "event", NULL_BYTES, timing);
  const imaging = (depth: number, timing: Timing): Sampler =>
    imageBench(programs, "null", depth, timing);
  const reads = "4 KiB reads from qemu-storage-daemon null-co";
  return [
    {
      name: `${reads}, polling`,
      against: "libblkio, poll queue",
      target: 1,
      cellTarget: 0.95,
      unit: "IOPS",
      cells: clientCells(programs, "poll", polling),
    },
    {
      name: `${reads}, hybrid`,
      against: "libblkio, event-driven",
      target: 1,
      cellTarget: 0.95,
      unit: "IOPS",
      cells: clientCells(programs, "hybrid", waiting),
    },
    {
      name: `${reads}, hybrid`,
      against: "qemu-img bench on libblkio",
      target: 1,
      cellTarget: 0.95,
      unit: "IOPS",
      cells: clientCells(programs, "hybrid", imaging),
    },
    {
      name: `${reads}, event`,
      against: "libblkio, event-driven",
      target: 0.9,
      unit: "IOPS",
      cells: clientCells(programs, "event", waiting),
    },
    {
      name: "our null block back-end under libblkio, polling",
      against: "qemu-storage-daemon null-co under libblkio",
      target: 1.3,
      unit: "IOPS",
      cells: DEPTHS.map((depth) =>
        backendCell(
          programs,
          depth,
          NULL_BYTES,
          async () => server(programs, "ours", "--null", "--size", String(NULL_BYTES)),
          async () => daemon(programs, "theirs", nullNode),
        ),
      ),
    },
    {
      name: "our block back-end over a file, 4 KiB random reads from the page cache",
      against: "qemu-storage-daemon on the same file",
      target: 1,
      unit: "IOPS",
      cells: [
        backendCell(
          programs,
          16,
          FILE_BYTES,
          async () => {
            return server(programs, "ours", "--image", imageFile(programs));
          },
          async () => {
            const image = imageFile(programs);
            return daemon(programs, "theirs", `file,node-name=n0,filename=${image}`);
          },
        ),
      ],
    },
  ];
}
