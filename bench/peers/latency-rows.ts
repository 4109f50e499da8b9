/** How long one thing takes: figures here are its inverse, so that more is better. */
import { join } from "node:path";
import {
  BACKEND_CPU,
  command,
  cProgram,
  folder,
  LOAD_CPU,
  output,
  start,
  stop,
} from "./programs.ts";
import type { Cell, Row } from "./row.ts";

const socket = join(folder, "latency.sock");
const SESSIONS = 300;

/** One request at a time through a ring, against a word through a cache line. */
const roundTrip: Cell = {
  name: "depth 1",
  setUp: async ({ seconds, warmUpSeconds }) => {
    const pingPong = cProgram("ping-pong");
    const serve = [process.execPath, command, "serve", "block", "--socket", socket, "--null", "-q"];
    const server = await start(BACKEND_CPU, [...serve, "--workers", "--mode", "poll"], socket);
    const load = [process.execPath, command, "bench", "block", socket, "--depth", "1", "-q"];
    const how = [
      "--completion",
      "poll",
      "--seconds",
      `${seconds}s`,
      "--warmup",
      `${warmUpSeconds}s`,
    ];
    return {
      ours: async () => {
        const text = await output(LOAD_CPU, [...load, ...how, "--json"]);
        return (JSON.parse(text) as { iops: number }).iops;
      },
      theirs: async () => {
        const words = [pingPong, LOAD_CPU, BACKEND_CPU, seconds].map(String);
        // It pins itself; our back-end sleeps meanwhile only if nobody is connected.
        return 1e9 / Number(await output(LOAD_CPU, words));
      },
      end: async () => stop(server),
    };
  },
};

/** The same messages to the same back-end, one after another. */
const session: Cell = {
  name: "session",
  setUp: async () => {
    const program = cProgram("session");
    const serve = [process.execPath, command, "serve", "block", "--socket", socket, "-q"];
    const server = await start(BACKEND_CPU, serve, socket);
    return {
      ours: async () => {
        const words = [process.execPath, command, "bench", "connect", socket, "-q", "--json"];
        const text = await output(LOAD_CPU, [...words, "--requests", String(SESSIONS)]);
        return 1e6 / (JSON.parse(text) as { latencyUs: { p50: number } }).latencyUs.p50;
      },
      theirs: async () => 1e6 / Number(await output(LOAD_CPU, [program, socket, String(SESSIONS)])),
      end: async () => stop(server),
    };
  },
};

export function latencyRows(): Row[] {
  return [
    {
      name: "round trip through a ring, our driver and our device, two processes, polling",
      against: "a word through a cache line between two processes",
      target: 0.5,
      unit: "a second",
      cells: [roundTrip],
    },
    {
      name: "connect and full set-up of a session with our back-end",
      against: "the same messages from a C program",
      target: 1 / 1.5,
      unit: "a second",
      cells: [session],
    },
  ];
}
