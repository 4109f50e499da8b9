/** Rows that measure a duration. Their figures are its inverse, so that more is better. */
import { BACKEND_CPU, LOAD_CPU, ourCommand, type Programs } from "./programs.ts";
import type { Cell, Row } from "./row.ts";

/** About as many as take the time that a sample is to take. */
const SESSIONS_PER_SECOND = 400;

/** One frame at a time, without a copy of its bytes, against a word through a cache line. */
const roundTrip = (programs: Programs): Cell => ({
  name: "depth 1",
  setUp: async ({ seconds, warmUpSeconds }) => {
    const pingPong = await programs.cProgram("ping-pong");
    const socket = programs.path("latency.sock");
    const serve = [...ourCommand, "serve", "net", "--traffic", "sink", "--socket", socket, "-q"];
    const server = await programs.start(
      BACKEND_CPU,
      [...serve, "--workers", "--ring-mode", "poll"],
      socket,
    );
    const load = [...ourCommand, "bench", "net", "tx", socket, "--packed", "--depth", "1", "-q"];
    const timing = ["--runtime", `${seconds}s`, "--warmup", `${warmUpSeconds}s`];
    const words = [...load, ...timing, "--ring-mode", "poll", "--json"];
    return {
      ours: async () => {
        const text = await programs.output(LOAD_CPU, words);
        return (JSON.parse(text) as { framesPerSecond: number }).framesPerSecond;
      },
      theirs: async () => {
        const words = [pingPong, LOAD_CPU, BACKEND_CPU, seconds].map(String);
        // It pins itself; our back-end sleeps meanwhile only without a connected front-end.
        return 1e9 / Number(await programs.output(LOAD_CPU, words));
      },
      end: async () => void (await server.stop()),
    };
  },
});

/** Measures sessions to the same back-end; the C program waits for each reply. */
const session = (programs: Programs): Cell => ({
  name: "session",
  setUp: async ({ seconds }) => {
    const sessions = String(Math.max(10, Math.round(SESSIONS_PER_SECOND * seconds)));
    const program = await programs.cProgram("session");
    const socket = programs.path("latency.sock");
    const serve = [...ourCommand, "serve", "block", "--socket", socket, "-q"];
    const server = await programs.start(BACKEND_CPU, serve, socket);
    return {
      ours: async () => {
        const words = [...ourCommand, "bench", "connect", socket, "-q", "--json"];
        const text = await programs.output(LOAD_CPU, [...words, "--count", sessions]);
        return 1e6 / (JSON.parse(text) as { latencyUs: { p50: number } }).latencyUs.p50;
      },
      theirs: async () =>
        1e6 / Number(await programs.output(LOAD_CPU, [program, socket, sessions])),
      end: async () => void (await server.stop()),
    };
  },
});

export function latencyRows(programs: Programs): Row[] {
  return [
    {
      name: "round trip through a ring, our driver and our device, two processes, polling",
      against: "a word through a cache line between two processes",
      target: 0.5,
      unit: "a second",
      cells: [roundTrip(programs)],
    },
    {
      name: "connect and full set-up of a session with our back-end",
      against: "a C program that waits for each reply",
      target: 1 / 1.5,
      unit: "a second",
      cells: [session(programs)],
    },
  ];
}
