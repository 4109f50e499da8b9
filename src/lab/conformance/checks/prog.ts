import { existsSync } from "node:fs";
import { isListening, reachablePath } from "../../../core/os/proc-net-unix.ts";
import { FrontendRequest } from "../../../core/protocol/index.ts";
import { connectSocket } from "../../../core/transport/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import {
  freePath,
  makeRoom,
  outcomeText,
  programOf,
  runOnce,
  startOnce,
  wordsAt,
  wordsWithSocketPath,
} from "../kit/back-end/program.ts";
import { Session } from "../kit/back-end/session.ts";
import { soon } from "../kit/back-end/soon.ts";
import { endText } from "../targets/target.ts";

const SECTION = "Backend program conventions";
const NEEDS = { program: true } as const;
const NO_OPTION = "--no-such-option=1";
/** `VHostUserBackendType` of QEMU's `docs/interop/vhost-user.json`. */
const TYPES =
  "9p balloon block caif console crypto gpu input net rng rpmsg rproc-serial scsi vsock fs".split(
    " ",
  );
/** Requests in flight when SIGTERM arrives. */
const REQUESTS = 64;

/** Parses the output of `--print-capabilities`; other output than an object becomes an empty one. */
function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Puts requests in flight, or opens a session where the suite knows no request. */
async function load(t: CheckContext): Promise<void> {
  if (!t.hasKit) {
    await t.negotiatedSession();
    return;
  }
  const { ring, memory, request } = await t.bringUp({ ring: { size: 256 } });
  await request();
  for (let i = 0; i < REQUESTS; i += 1) {
    const { readable, writable } = t.kit.request(memory);
    ring.add(readable, writable);
  }
  ring.kick.signal();
}

/** Returns invalid command lines, each with its error. */
function badWords(t: CheckContext): readonly (readonly [what: string, words: string[]])[] {
  const { words } = programOf(t);
  const mine = wordsAt(words, freePath(t, "other.sock"));
  const missing = freePath(t, "missing", "file");
  // A file that an option names: `--blk-file=PATH`, `driver=file,filename=PATH`.
  const without = mine.map((word) =>
    word.replaceAll(/=(\/[^,]+)/g, (all, path: string) => (existsSync(path) ? `=${missing}` : all)),
  );
  return [
    ["an unknown option", [...mine, NO_OPTION]],
    ["a socket in a folder that does not exist", wordsAt(words, missing)],
    ...(without.join(" ") === mine.join(" ")
      ? []
      : [["a file that does not exist", without] as const]),
  ];
}

export const prog: readonly Check[] = [
  {
    id: "prog/1",
    title: "with --socket-path=PATH the program listens on that path",
    strength: "SHOULD",
    section: SECTION,
    observes: ["reply"],
    slow: 2,
    needs: NEEDS,
    async run(t) {
      await makeRoom(t);
      const path = freePath(t, "other.sock");
      const other = await startOnce(t, wordsWithSocketPath(programOf(t).words, path));
      await soon(() => isListening(path, other.pid) || other.exit, t.times.programMs);
      const outcome = outcomeText({ end: other.exit, text: other.output });
      t.expectThat("--socket-path", isListening(path, other.pid), "a listening socket", outcome);
      const socket = await connectSocket(reachablePath(path, other.pid), {
        timeoutMs: t.times.programMs,
      });
      const session = t.closing(new Session("s1", socket, t.exchange, t.times));
      session.read();
      await session.call(FrontendRequest.GetFeatures);
    },
  },
  {
    id: "prog/5",
    title: "--print-capabilities prints JSON with a known type, whatever the other options are",
    strength: "SHOULD",
    section: SECTION,
    observes: ["exit"],
    slow: 2,
    needs: NEEDS,
    async run(t) {
      const socket = freePath(t, "unused.sock");
      const words = [...wordsAt(programOf(t).words, socket), "--print-capabilities"];
      for (const more of [[], [NO_OPTION, "surplus"]]) {
        const with_ = more.length === 0 ? "--print-capabilities" : "the same with unknown words";
        const outcome = await runOnce(t, [...words, ...more], "stdout");
        const text = outcomeText(outcome);
        t.expectThat(with_, outcome.end?.code === 0, "an end with code 0", text);
        const { type, features = [] } = parsed(outcome.text) ?? {};
        t.expectThat(`${with_}: JSON`, typeof type === "string", "an object with a type", text);
        t.expectThat(`${with_}: the type`, TYPES.includes(String(type)), TYPES.join(", "), type);
        t.expectThat(`${with_}: the features`, Array.isArray(features), "a list", features);
        t.expect(`${with_}: a socket is made`, existsSync(socket), false);
      }
    },
  },
  {
    id: "prog/6",
    title: "SIGTERM ends the program in time, idle and under load",
    strength: "SHOULD",
    section: SECTION,
    observes: ["exit"],
    needs: NEEDS,
    async run(t) {
      const program = programOf(t);
      for (const when of ["idle", "under load"]) {
        if (when === "idle") await t.target.restart?.();
        else await load(t);
        const limitMs = t.times.callMs;
        const end = await program.end("SIGTERM", limitMs);
        if (end === undefined) await makeRoom(t);
        t.expectThat(`SIGTERM, ${when}`, end !== undefined, `an end within ${limitMs} ms`, "none");
        t.observe("exit");
        const text = end ? endText(end) : "";
        const orderly = end?.signal === null || end?.signal === "SIGTERM";
        if (!orderly) t.fail(`SIGTERM, ${when}`, "an orderly end", text, "FAIL");
        t.info(`${when}: ${text}, socket ${existsSync(program.socket) ? "left" : "removed"}`);
        t.closeSessions();
      }
    },
  },
  {
    id: "prog/8",
    title: "an invalid command line ends the program with a non-zero exit code",
    strength: "SHOULD",
    section: SECTION,
    observes: ["exit"],
    slow: 2,
    needs: NEEDS,
    async run(t) {
      await makeRoom(t);
      for (const [what, words] of badWords(t)) {
        const outcome = await runOnce(t, words, "stderr");
        const { end, text } = outcome;
        const summary = outcomeText(outcome);
        t.expectThat(
          what,
          end !== undefined && end.code !== 0,
          "an end with a code above 0",
          summary,
        );
        // A program may fail without a message.
        if (text.trim() === "") t.info(`${what}: no message on standard error`);
      }
    },
  },
];
