import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsUnprivilegedUser, unprivilegedUser, Workspace } from "./support/index.ts";
import { ServerSpace } from "./support/servers.ts";

guardLeaks();

/** Commands with a place for a path, the exit code of one that cannot be used, and whether PATH is read or made. */
interface PathOption {
  /** `PATH` is replaced with the path. */
  readonly words: string;
  readonly use: "read" | "make" | "connect";
  readonly code: number;
}

const START = "qemu start --kind block --start-timeout 1s";
const PLACE = "--socket q.sock --pid-file q.pid --log q.log";

/** Those that fail before they connect or start anything. */
const OPTIONS: readonly PathOption[] = [
  { words: `${START} ${PLACE} --image PATH`, use: "read", code: 2 },
  { words: `${START} --pid-file q.pid --log q.log --socket PATH`, use: "make", code: 2 },
  { words: `${START} --socket q.sock --log q.log --pid-file PATH`, use: "make", code: 2 },
  { words: `${START} --socket q.sock --pid-file q.pid --log PATH`, use: "make", code: 2 },
  { words: "serve block --socket s.sock --image PATH", use: "read", code: 2 },
  { words: "serve block --size 1M --socket PATH", use: "make", code: 2 },
  { words: "serve net --socket s.sock --traffic sink --pcap PATH", use: "make", code: 2 },
  { words: "io block write none.sock --in PATH", use: "read", code: 2 },
  { words: "io net send none.sock --in PATH", use: "read", code: 2 },
  { words: "io block id PATH", use: "connect", code: 3 },
  { words: "probe PATH", use: "connect", code: 3 },
  { words: "conform none.sock --json-file PATH", use: "make", code: 2 },
  { words: "conform none.sock --html PATH", use: "make", code: 2 },
  { words: "matrix PATH --out-dir out", use: "read", code: 2 },
  { words: "test basic --junit PATH", use: "make", code: 2 },
];

for (const { words, use, code } of OPTIONS) {
  test(`${words}: the message names what is wrong with the path`, async (t) => {
    const space = new ServerSpace(t);
    space.file("file", "");
    mkdirSync(space.path("folder"));
    symlinkSync("nowhere", space.path("link"));
    const says = async (path: string): Promise<string> => {
      const args = words.replace("PATH", path).split(" ");
      const result = await space.command(args).result;
      assert.equal(result.code, code, result.stderr);
      assert.doesNotMatch(result.stderr, /ENOENT|ENOTDIR|EISDIR|EEXIST|internal/);
      return result.stderr;
    };
    const below = await says("file/x");
    const beside = await says("none/x");
    const folder = await says("folder");
    assert.match(below, /^vhost-user: .*file\/x\b.*file is a file and not a folder; /);
    assert.doesNotMatch(below, /mkdir|truncate/);
    assert.match(beside, /^vhost-user: .*none\/x\b.*there is no folder .*none; /);
    if (use !== "connect") assert.match(beside, /mkdir -p .*none(,|$)/m);
    assert.match(folder, /^vhost-user: .*folder\b.*(is|got) (a|an existing) (folder|directory)\b/);
    assert.doesNotMatch(folder, /mkdir|truncate|--force|\brm /);
    if (use === "read") {
      const missing = await says("missing");
      const link = await says("link");
      assert.match(missing, /^vhost-user: .*missing\b.*there is no such file; /);
      assert.match(link, /^vhost-user: .*link\b.*it is a symbolic link to nowhere, which leads/);
    }
    space.assertNothingLeft();
  });
}

test("a pid file, a log or a socket of clean below a file is not there", async (t) => {
  const space = new ServerSpace(t);
  const file = space.file("file", "");
  const paths = ["--socket", "--pid-file", "--log"].flatMap((option) => [option, `${file}/x`]);
  const { code, stdout, stderr } = await space.command(["clean", ...paths]).result;
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "nothing to clean\n");
});

test(
  "a file that this user may not read, and a folder it may not look into, are named",
  { skip: needsUnprivilegedUser() },
  async (t) => {
    const space = new Workspace(t);
    chmodSync(space.folder, 0o755);
    const file = space.file("secret", "x".repeat(512));
    chmodSync(file, 0o600);
    mkdirSync(space.path("closed"), { mode: 0o700 });
    const cases: readonly (readonly [words: string, says: RegExp])[] = [
      ["io block write none.sock --in secret", /secret\b.*permission denied \(EACCES\)/],
      [
        "io net send none.sock --in closed/x",
        /closed\/x\b.*look into the folder closed \(EACCES\)/,
      ],
      [
        "conform none.sock --junit new.xml",
        /new\.xml\b.*no permission to make a file in \. \(EACCES\)/,
      ],
      ["serve block --socket s.sock --image secret", /secret\b.*permission denied \(EACCES\)/],
    ];
    for (const [words, says] of cases) {
      const { code, stderr } = await space.run(words.split(" "), { wrapper: unprivilegedUser });
      assert.match(stderr, says);
      assert.equal(code, 4);
    }
  },
);
