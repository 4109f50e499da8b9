/** Progress lines as a terminal gets them: in a pseudo terminal, and on the screen of tmux. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { textWidth } from "../../src/app/cli/text-width.ts";
import { resolveProgram } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { commandPath, Workspace } from "./support/index.ts";
import { needsPty, PtyRun, shellLine } from "./support/pty.ts";

guardLeaks();

/** A progress line, and what follows it: always the sequence that erases it (Ctrl-C is echoed). */
const ERASE = String.raw`\r(?:\u001B7\u001B\[B\u001B\[J\u001B8)?\u001B\[K`;
const DRAWN = new RegExp(
  String.raw`${ERASE}\u001B\[\?7l([^\r\n\u001B]*)\u001B\[\?7h\r(?=((?:\^C)?${ERASE})?)`,
  "g",
);
const SERVE = `${process.execPath} ${commandPath} serve block --size 1M --socket {socket}`;

/** The progress lines of a terminal's output, each of which must fit and be erased. */
function expectLines(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const [all, line = "", erased] of text.matchAll(DRAWN)) {
    lines.push(line);
    assert.ok(textWidth(line) < columns, `${textWidth(line)} columns of ${columns}: ${line}`);
    assert.ok(erased, `not erased: ${JSON.stringify(all)}`);
  }
  return lines;
}

const withExec = ["--exec", SERVE];
for (const [columns, words, pattern] of [
  [
    40,
    ["stress", "--rounds", "1", "--clients", "1"],
    /^\d+ s, round 1: connections that do not …$/,
  ],
  [20, ["conform", "--only", "proto/1", ...withExec], /^0\/\d+, about/],
  [20, ["bench", "connect", "--count", "1", ...withExec], /^\d+ of 21 sessions$/],
  [
    80,
    ["bench", "connect", "--count", "1", "--runs", "2", ...withExec],
    /^run [12] of 2, \S.*: \d+ of 21 sessions$/,
  ],
  [30, ["io", "block", "verify", "disk.sock", "--depth", "1"], /^depth 1, poll: /],
  [30, ["demo", "--size", "1M"], /^write \d+ %$/],
] as const) {
  test(
    `the progress of ${words.slice(0, 2).join(" ")} fits ${columns} columns and is erased`,
    { skip: needsPty() },
    async (t) => {
      const space = new Workspace(t);
      if (words.includes("disk.sock" as never)) await space.serve(["--size", "1M"]);
      const run = new PtyRun(t, columns, words, space.folder);
      assert.equal(await run.ended, 0, run.text);
      const lines = expectLines(run.text, columns);
      assert.ok(
        lines.some((line) => pattern.test(line)),
        JSON.stringify(lines),
      );
    },
  );
}

test(
  "a progress line follows a resize, and Ctrl-C prints the result in its place",
  { skip: needsPty() },
  async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--size", "1M"]);
    const words = ["bench", "block", socket, "--runtime", "60s", "--warmup", "1ms"];
    const run = new PtyRun(t, 80, words, space.folder);
    await run.printed(/\d+ of 60 s: [\d,]+ IOPS, \d+ in flight(?!\w)/);
    const before = run.text.length;
    run.resize(20);
    await run.printed(/7l\d+ of 60 s: .*…/);
    const resized = run.text.slice(before).search(/7l\d+ of 60 s: .*…/);
    run.interrupt();
    assert.equal(await run.ended, 130);
    expectLines(run.text, 80);
    expectLines(run.text.slice(before + resized), 20);
    assert.match(run.text, /\[Kblock: randread .*\r\npartial result: interrupted by SIGINT\r\n/);
  },
);

test(
  "nothing of a progress line is left on a screen that was narrowed and widened",
  { skip: resolveProgram("tmux") === undefined && "tmux is missing" },
  async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--size", "1M"]);
    const words = ["bench", "block", socket, "--runtime", "60s", "--warmup", "1ms"];
    const server = space.path("tmux");
    const tmux = (...more: string[]): string =>
      spawnSync("tmux", ["-u", "-S", server, "-f", "/dev/null", ...more]).stdout.toString();
    const screen = (): string => tmux("capture-pane", "-p", "-S", "-").trimEnd();
    const until = async (pattern: RegExp): Promise<void> => {
      const deadline = performance.now() + 20_000;
      while (!pattern.test(screen())) {
        assert.ok(performance.now() < deadline, screen());
        await new Promise(setImmediate);
      }
    };
    const line = shellLine([process.execPath, commandPath, ...words]);
    try {
      // Above the line: tmux moves rows into its history as it wraps other rows.
      tmux("new-session", "-d", "-x", "60", "-y", "10", `seq 6; ${line}; echo last; cat`);
      await until(/^6\n\d+ of 60 s: [\d,]+ IOPS, \d+ in flight$/m);
      for (const columns of [20, 80, 30]) {
        tmux("resize-window", "-x", String(columns), "-y", "10");
        await until(
          columns === 80
            ? /^6\n\d+ of 60 s: [\d,]+ IOPS, \d+ in flight$/m
            : /^6\n\d+ of 60 s: [\d,]+.*…$/m,
        );
      }
      tmux("resize-window", "-x", "120", "-y", "10");
      tmux("send-keys", "C-c");
      await until(/^last$/m);
      const lines = screen().split("\n");
      assert.deepEqual(
        lines.filter((each) => each.includes("in flight")),
        [],
      );
      assert.match(lines[6] ?? "", /^block: randread/);
    } finally {
      // Before the folder with its socket is removed.
      tmux("kill-server");
    }
  },
);
