import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isHangupIgnored } from "../../../../src/app/cli/hangup.ts";

interface Seen {
  /** `SigIgn` of this process and of its parent. */
  readonly self?: string;
  readonly parent?: string;
  /** Flags and target of descriptor 0. */
  readonly flags?: string;
  readonly input?: string;
}

/** A folder that looks like /proc. */
function procOf(t: TestContext, seen: Seen): string {
  const folder = mkdtempSync(join(tmpdir(), "vu-proc-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, mask] of [
    ["self", seen.self],
    [String(process.ppid), seen.parent],
  ] as const) {
    mkdirSync(join(folder, name, "fd"), { recursive: true });
    mkdirSync(join(folder, name, "fdinfo"));
    const status = `Name:\tnode\nSigIgn:\t${mask ?? "0000000001001000"}\nSigCgt:\t0000000000000001\n`;
    writeFileSync(join(folder, name, "status"), status);
  }
  writeFileSync(join(folder, "self/fdinfo/0"), `pos:\t0\nflags:\t${seen.flags ?? "0100000"}\n`);
  symlinkSync(seen.input ?? "/dev/null", join(folder, "self/fd/0"));
  return folder;
}

test("SIGHUP was ignored at the start if the process, its parent or what nohup leaves says so", (t) => {
  const cases: readonly (readonly [boolean, Seen, NodeJS.ProcessEnv])[] = [
    [false, {}, {}],
    [false, {}, { _: "/usr/bin/node" }],
    [false, {}, { _: "/opt/nohup/bin/vhost-user" }],
    [true, {}, { _: "/usr/bin/nohup" }],
    [true, {}, { _: "nohup" }],
    [true, { self: "0000000001001001" }, {}],
    [true, { parent: "0000000000000001" }, {}],
    [false, { parent: "fffffffffffffffe" }, {}],
    [true, { flags: "0100001" }, {}],
    [false, { flags: "0100002" }, {}],
    [false, { flags: "0100001", input: "/dev/pts/0" }, {}],
  ];
  for (const [expected, seen, env] of cases) {
    const what = JSON.stringify({ seen, env });
    assert.equal(isHangupIgnored(env, procOf(t, seen)), expected, what);
  }
});

test("without /proc SIGHUP ends the command", () => {
  assert.equal(isHangupIgnored({}, "/nonexistent"), false);
});
