/** Block devices: our client against libblkio, our back-end against qemu-storage-daemon. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RingMode } from "../../src/runtime/index.ts";
import type { Sampler } from "./pairs.ts";
import {
  BACKEND_CPU,
  blkioLoad,
  command,
  folder,
  LOAD_CPU,
  output,
  start,
  stop,
  storageDaemon,
} from "./programs.ts";
import type { Cell, Row, Timing } from "./row.ts";

const BLOCK_BYTES = 4096;
const DEPTHS = [1, 16, 64];
const NULL_BYTES = 2 ** 30;
const FILE_BYTES = 2 ** 28;

const socketOf = (name: string): string => join(folder, `${name}.sock`);

async function daemon(name: string, node: string): ReturnType<typeof start> {
  const socket = socketOf(name);
  return start(
    BACKEND_CPU,
    [
      ...storageDaemon(),
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
async function server(name: string, ...more: readonly string[]): ReturnType<typeof start> {
  const socket = socketOf(name);
  const words = [process.execPath, command, "serve", "block", "--socket", socket];
  return start(BACKEND_CPU, [...words, "--workers", "--mode", "hybrid", "-q", ...more], socket);
}

function ourLoad(name: string, depth: number, completion: RingMode, timing: Timing): Sampler {
  const words = [process.execPath, command, "bench", "block", socketOf(name), "--json", "-q"];
  const options = {
    depth,
    completion,
    seconds: `${timing.seconds}s`,
    warmup: `${timing.warmUpSeconds}s`,
    "block-size": BLOCK_BYTES,
  };
  const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
  return async () => {
    const text = await output(LOAD_CPU, [...words, ...flags]);
    return (JSON.parse(text) as { iops: number }).iops;
  };
}

function blkio(
  name: string,
  depth: number,
  mode: "poll" | "event",
  size: number,
  { seconds, warmUpSeconds }: Timing,
): Sampler {
  const words = [mode, depth, BLOCK_BYTES, warmUpSeconds, seconds, size].map(String);
  return async () => {
    const text = await output(LOAD_CPU, [...blkioLoad(), socketOf(name), ...words]);
    const result = JSON.parse(text) as { requests: number; seconds: number };
    return result.requests / result.seconds;
  };
}

/** Our client and libblkio in turns on one qemu-storage-daemon that moves no data. */
function clientCells(completion: RingMode, mode: "poll" | "event"): Cell[] {
  return DEPTHS.map((depth) => ({
    name: `depth ${depth}`,
    setUp: async (timing) => {
      const peer = await daemon("null", nullNode);
      return {
        ours: ourLoad("null", depth, completion, timing),
        theirs: blkio("null", depth, mode, NULL_BYTES, timing),
        end: async () => stop(peer),
      };
    },
  }));
}

/** libblkio, polling, in turns on our back-end and on qemu-storage-daemon. */
function backendCell(
  depth: number,
  size: number,
  ours: () => ReturnType<typeof start>,
  theirs: () => ReturnType<typeof start>,
): Cell {
  return {
    name: `depth ${depth}`,
    setUp: async (timing) => {
      // One at a time: a back-end that looks all the time would take the other's processor.
      const measured =
        (name: string, begin: () => ReturnType<typeof start>): Sampler =>
        async () => {
          const backend = await begin();
          try {
            return await blkio(name, depth, "poll", size, timing)();
          } finally {
            await stop(backend);
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

function imageFile(): string {
  const path = join(folder, "image");
  writeFileSync(path, Buffer.alloc(FILE_BYTES, 0x5a));
  return path;
}

export function blockRows(): Row[] {
  const image = (): string => join(folder, "image");
  return [
    {
      name: "4 KiB reads from qemu-storage-daemon null-co, polling",
      against: "libblkio, poll queue",
      target: 1,
      cellTarget: 0.95,
      unit: "IOPS",
      cells: clientCells("poll", "poll"),
    },
    {
      name: "the same, hybrid",
      against: "libblkio, event-driven",
      target: 1,
      cellTarget: 0.95,
      unit: "IOPS",
      cells: clientCells("hybrid", "event"),
    },
    {
      name: "the same, event",
      against: "libblkio, event-driven",
      target: 0.9,
      unit: "IOPS",
      cells: clientCells("event", "event"),
    },
    {
      name: "our null block back-end under libblkio, polling",
      against: "qemu-storage-daemon null-co under libblkio",
      target: 1.3,
      unit: "IOPS",
      cells: DEPTHS.map((depth) =>
        backendCell(
          depth,
          NULL_BYTES,
          async () => server("ours", "--null", "--size", String(NULL_BYTES)),
          async () => daemon("theirs", nullNode),
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
          16,
          FILE_BYTES,
          async () => {
            imageFile();
            return server("ours", "--image", image());
          },
          async () => {
            imageFile();
            return daemon("theirs", `file,node-name=n0,filename=${image()}`);
          },
        ),
      ],
    },
  ];
}
