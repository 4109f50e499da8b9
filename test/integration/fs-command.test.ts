import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const BIG_BYTES = 10 << 20;

/** A folder that is served, with a secret beside it. */
async function withFolder(t: test.TestContext, more: readonly string[] = []) {
  const space = new Workspace(t);
  const folder = space.path("shared");
  mkdirSync(join(folder, "inner"), { recursive: true });
  const big = randomBytes(BIG_BYTES);
  writeFileSync(join(folder, "big"), big);
  writeFileSync(join(folder, "inner", "note"), "hello\n");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/raw`), Buffer.from([0xff])]), "raw\n");
  writeFileSync(join(folder, "日本語"), "日本\n");
  space.file("secret", "private\n");
  symlinkSync("../secret", join(folder, "up"));
  const socket = space.path("fs.sock");
  const server = space.start(["serve", "fs", "--socket", socket, "--dir", folder, ...more]);
  await server.printed(/listening on /);
  const io = async (verb: string, ...words: readonly string[]) =>
    space.run(["io", "fs", verb, socket, ...words]);
  return { space, folder, big, socket, server, io };
}

test("cat gives the file's bytes, and nothing else, on stdout", async (t) => {
  const { big, io } = await withFolder(t);
  for (const more of [[], ["--packed"], ["--strict"]]) {
    const { code, bytes, stderr } = await io("cat", "/big", ...more);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.ok(bytes.equals(big));
  }
  assert.equal((await io("cat", "inner/./note")).stdout, "hello\n");
  assert.equal((await io("cat", "/raw\\xff")).stdout, "raw\n");
  assert.equal((await io("cat", "/日本語")).stdout, "日本\n");
});

test("cat --out makes a file and leaves an existing one alone, unless --force", async (t) => {
  const { space, big, io } = await withFolder(t);
  const made = await io("cat", "/big", "--out", "copy");
  assert.deepEqual([made.code, made.stdout], [0, ""]);
  assert.equal(made.stderr, "10 MiB of /big saved to copy\n");
  assert.ok(readFileSync(space.path("copy")).equals(big));
  const refused = await io("cat", "/inner/note", "--out", "copy");
  assert.match(refused.stderr, /copy already exists; it was not changed: choose/);
  assert.equal(refused.code, 2);
  assert.equal(statSync(space.path("copy")).size, BIG_BYTES);
  assert.equal((await io("cat", "/inner/note", "--out", "copy", "--force")).code, 0);
  assert.equal(readFileSync(space.path("copy"), "utf8"), "hello\n");
  const none = await io("cat", "/none", "--out", "never");
  assert.match(none.stderr, /^vhost-user: \/none: FUSE_LOOKUP of "none" in node 1: .* ENOENT\n$/);
  assert.equal(none.code, 1);
  assert.equal(existsSync(space.path("never")), false);
});

test("ls and stat list what is there, as text and as JSON", async (t) => {
  const { folder, io } = await withFolder(t);
  const { stdout } = await io("ls");
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => line.split(" ").at(-1)),
    ["big", "inner", "raw\\xff", "up", "日本語"],
  );
  assert.match(lines[0] ?? "", /^-rw-r--r-- 10485760 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ big$/);
  assert.match(lines[3] ?? "", /^lrwxrwxrwx /);
  const ls = parseDocument("io-fs-ls", (await io("ls", "inner", "--json")).stdout);
  assert.equal(ls["path"], "inner");
  const [note] = ls["entries"] as [Record<string, unknown>];
  assert.deepEqual([note["name"], note["type"], note["size"]], ["note", "file", 6]);
  const one = await io("ls", "/inner/note");
  assert.match(one.stdout, /^-rw-r--r-- 6 \S+ note\n$/);
  const real = statSync(join(folder, "big"));
  const stat = parseDocument("io-fs-stat", (await io("stat", "/big", "--json")).stdout);
  const link = parseDocument("io-fs-stat", (await io("stat", "/up", "--json")).stdout);
  assert.equal(link["type"], "symbolic link");
  assert.deepEqual(
    [stat["type"], stat["mode"], stat["size"], stat["ino"], stat["uid"]],
    ["file", (real.mode & 0o7777).toString(8).padStart(4, "0"), BIG_BYTES, real.ino, real.uid],
  );
  assert.match(
    (await io("stat", "/up")).stdout,
    /^type +symbolic link\n[\s\S]*^target +\.\.\/secret$/m,
  );
  assert.match((await io("stat")).stdout, /^type +folder$/m);
});

test("ls of a hundred entries prints them and nothing else", async (t) => {
  const { folder, io } = await withFolder(t);
  const names = Array.from({ length: 100 }, (_, i) => `entry-${i}`);
  for (const name of names) writeFileSync(join(folder, "inner", name), "");
  const { code, stdout, stderr } = await io("ls", "inner");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(stdout.trimEnd().split("\n").length, names.length + 1);
});

test("nothing outside of the folder can be read", async (t) => {
  const { io } = await withFolder(t);
  const link = await io("cat", "/up");
  assert.match(link.stderr, /\/up is a symbolic link to \.\.\/secret/);
  assert.equal(link.code, 2);
  for (const path of ["/up/x", "/inner/up", "/secret", "/etc/passwd"]) {
    const { code, stdout, stderr } = await io("cat", path);
    assert.deepEqual([code, stdout], [1, ""], path);
    assert.match(stderr, /ENOENT|ENOTDIR/);
  }
  for (const path of ["/../secret", "..", "inner/../../secret", "a\\x2fb", "a\\"]) {
    const { code, stdout } = await io("cat", path);
    assert.deepEqual([code, stdout], [2, ""], path);
  }
  const folder = await io("cat", "/inner");
  assert.match(folder.stderr, /\/inner: FUSE_OPEN of node \d+: the device answered EISDIR/);
});

test("probe reads tag and queues of serve fs", async (t) => {
  const { space, socket, server } = await withFolder(t, ["--tag", "files", "--queues", "4"]);
  await server.printed(/\(fs, .* as files, read-only, queues: 4\)/);
  const { stdout } = await space.run(["probe", socket, "--device", "fs", "--json"]);
  const probed = parseDocument("probe", stdout);
  assert.deepEqual(probed["config"], { tag: "files", numRequestQueues: 4, notifyBufSize: 0 });
  assert.equal(probed["queues"], 5);
});

test("serve fs connects to a client that listens, again when it leaves", async (t) => {
  const { space, folder } = await withFolder(t);
  const socket = space.path("reverse.sock");
  const cat = () => space.start(["io", "fs", "cat", socket, "inner/note", "--listen"]);
  const first = cat();
  // The back-end gives up when the first connection fails: it has to be there before.
  while (!existsSync(socket)) await new Promise((resolve) => setImmediate(resolve));
  const server = space.start(["serve", "fs", "--connect", socket, "--dir", folder]);
  for (const run of [async () => first.result, async () => cat().result]) {
    const { code, stdout } = await run();
    assert.deepEqual([code, stdout], [0, "hello\n"]);
  }
  assert.equal((await server.stop("SIGTERM")).code, 0);
});

test("serve fs refuses what it cannot share", async (t) => {
  const space = new Workspace(t);
  space.file("file", "");
  const socket = space.path("fs.sock");
  const serve = async (...words: readonly string[]) =>
    space.run(["serve", "fs", "--socket", socket, ...words]);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /--dir FOLDER is missing/],
    [["--dir", "none"], /none cannot be used as a shared folder: there is no such file/],
    [["--dir", "file"], /file cannot be used as a shared folder/],
    [["--dir", ".", "--tag", ""], /the tag must have 1 to 36 bytes without NUL; it has 0 bytes/],
    [["--dir", ".", "--tag", "x".repeat(37)], /it has 37 bytes/],
    [["--dir", ".", "--queues", "0"], /from 1 to 255/],
  ];
  for (const [words, says] of cases) {
    const { code, stderr } = await serve(...words);
    assert.match(stderr, says);
    assert.equal(code, 2);
    assert.equal(existsSync(socket), false);
  }
});

test("an invalid reply is a failed request, and a silent device a time-out", async (t) => {
  const space = new Workspace(t);
  mkdirSync(space.path("shared"));
  const io = async (fault: string) => {
    const socket = space.path(`${fault}.sock`);
    const args = ["--socket", socket, "--dir", "shared", "--fault", fault];
    const server = space.start(["serve", "fs", ...args]);
    await server.printed(/listening on /);
    const result = await space.run(["io", "fs", "ls", socket, "--io-timeout", "300ms"]);
    assert.equal(result.code, 1);
    return result.stderr;
  };
  // The fault writes into the last byte of a reply as if that were a block device's status.
  assert.match(
    await io("status-missing"),
    /^vhost-user: \/: reply to FUSE_\w+ .*: expected .*, got/,
  );
  assert.match(await io("drop-completion"), /not completed within 300 ms/);
});

test("a reader that stops reading ends cat; SIGTERM ends serve", async (t) => {
  const { space, big, socket, server } = await withFolder(t);
  const wrapper = ["sh", "-c", '{ "$@"; echo "code $?" >&2; } | head -c 5', "sh"];
  const { bytes, stderr } = await space.run(["io", "fs", "cat", socket, "/big"], { wrapper });
  assert.ok(bytes.equals(big.subarray(0, 5)));
  assert.equal(stderr, "code 0\n");
  assert.equal((await server.stop("SIGTERM")).code, 0);
  assert.equal(existsSync(socket), false);
});
