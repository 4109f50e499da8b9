import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { commandPath, vhostUser, Workspace } from "./support/index.ts";

guardLeaks();

const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
  version: string;
};

for (const args of [["--version"], ["-V"], ["probe", "--version"]]) {
  test(`${args.join(" ")} prints the version and nothing else`, async () => {
    const { code, stdout, stderr } = await vhostUser(args);
    assert.deepEqual([code, stdout, stderr], [0, `${manifest.version}\n`, ""]);
  });
}

test("--help names every command and the exit codes, on stdout", async () => {
  const { code, stdout, stderr } = await vhostUser(["--help"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (const command of ["demo", "probe", "io", "serve"]) {
    assert.match(stdout, new RegExp(`^ {2}${command} `, "m"));
  }
  assert.match(stdout, /Exit codes: 0 ok, 1 .*, 2 .*, 3 /);
});

for (const command of ["demo", "probe", "io", "io block", "io block verify", "serve block"]) {
  test(`${command} --help explains itself`, async () => {
    const { code, stdout, stderr } = await vhostUser([...command.split(" "), "--help"]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, new RegExp(`^Usage: .*${command}`));
  });
}

const wrong: readonly (readonly [args: string, says: RegExp])[] = [
  ["", /^Usage: vhost-user/],
  ["nonsense", /unknown command 'nonsense'/],
  ["--nonsense", /unknown option '--nonsense'/],
  ["probe", /missing required argument 'socket'/],
  ["probe a b", /too many arguments/],
  ["probe x --nonsense", /unknown option '--nonsense'/],
  ["probe x --device toaster", /--device.*"toaster" is not a device type; use one of net, block,/],
  ["probe x --timeout soon", /"soon" is not a duration such as 500ms, 5s or 2m/],
  ["io", /^Usage: vhost-user io/],
  ["io tape", /unknown command 'tape'/],
  ["io block", /^Usage: vhost-user io block/],
  ["io block frob x", /unknown command 'frob'/],
  ["io block read x --offset 1Q", /"1Q" is not a size such as 4096, 64K or 256M/],
  ["io block discard x", /required option '--length <bytes>' not specified/],
  ["io block verify x --depth 0", /"0" is not a whole number from 1 to 32768/],
  ["io block verify x --depth ,", /"," is not a list such as a,b,c/],
  ["io block verify x --ring-mode magic", /"magic" is not one of event, poll, hybrid/],
  ["io block read x --length 0", /--length must be a positive multiple of 512 bytes, not 0/],
  ["io block write-zeroes x --length 1K --offset 3", /--offset must be a multiple of 512 bytes/],
  [
    "io block verify x --block-size 1000",
    /--block-size must be a positive multiple of 512 bytes, not 1000/,
  ],
  ["io block verify x --seed -1", /"-1" is not a whole number from 0 to 2147483647/],
  ["serve", /^Usage: vhost-user serve/],
  ["serve block --socket x --ring-mode magic", /"magic" is not one of event, poll, hybrid/],
  [
    "serve block",
    /there is no socket to serve: give --socket PATH \(to listen\), --connect PATH or/,
  ],
  ["serve block --socket a --connect b", /--socket and --connect cannot be combined/],
  ["serve block --socket a --image i --size 1M", /cannot be used with option '--size <bytes>'/],
  [
    "serve block --socket a --size 1000",
    /the size must be a positive multiple of 512 bytes, not 1000/,
  ],
  ["serve block --socket a --size 0", /the size must be a positive multiple of 512 bytes, not 0/],
  ["serve block --socket a --queues 0", /"0" is not a whole number from 1 to 256/],
  ["serve block --socket a --features FROB", /no virtio \(block\) or protocol feature.*"FROB"/],
  ["serve block --socket a --without FROB", /no virtio \(block\) or protocol feature.*"FROB"/],
  [
    "serve block --socket a --features ACCESS_PLATFORM",
    /this back-end does not implement the features/,
  ],
  ["serve block --socket a --fault frob", /frob/],
  ["serve block --socket a --fault no-reply@FROB", /FROB/],
  ["serve block --socket a --fault cut-reply=0", /cut-reply.*1 to 4108/],
  ["serve block --socket a --fault no-reply@GET_CONFIG:0", /GET_CONFIG:0/],
  ["demo --size 1000", /--size must be a positive multiple of 4096 bytes, not 1000/],
  ["demo --size 0", /--size must be a positive multiple .*not 0/],
];
for (const [args, says] of wrong) {
  test(`wrong usage, exit code 2: vhost-user ${args}`, async (t) => {
    const space = new Workspace(t);
    const { code, stdout, stderr } = await space.run(args.split(" ").filter(Boolean));
    assert.match(stderr, says);
    assert.equal(stdout, "");
    assert.equal(code, 2);
    assert.doesNotMatch(stderr, /^\s+at /m, "a stack trace");
    assert.match(stderr, /^(?:Usage: |vhost-user: (?!error))/, "one prefix for every error");
  });
}

test("a stack trace is printed with --debug, and never without", async (t) => {
  const args = ["probe", new Workspace(t).path("missing.sock")];
  const plain = await vhostUser(args);
  assert.doesNotMatch(plain.stderr, /^\s+at /m);
  const debug = await vhostUser([...args, "--debug"]);
  assert.equal(debug.code, plain.code);
  assert.match(debug.stderr, /^\s+at .*connect/m);
  assert.match(debug.stderr, /^caused by: .*ENOENT/m);
});

test("the reader of the output may stop reading", async () => {
  for (const args of [["--help"], ["serve", "block", "--list-faults"]]) {
    const child = spawn(process.execPath, [commandPath, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.destroy();
    const [code] = await once(child, "close");
    assert.equal(stderr, "");
    assert.equal(code, 0);
  }
});

test("a back-end goes on when its messages are no longer read", async (t) => {
  const space = new Workspace(t);
  const socket = space.path("disk.sock");
  const child = spawn(process.execPath, [commandPath, "serve", "block", "--socket", socket, "-v"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "close");
    assert.equal(child.exitCode, 0);
  });
  await once(child.stderr, "data");
  child.stderr.destroy();
  for (let i = 0; i < 2; i += 1) {
    const { code, stderr } = await space.run(["io", "block", "id", socket]);
    assert.equal(stderr, "");
    assert.equal(code, 0);
  }
});

test("--list-faults lists every fault with its syntax", async () => {
  const { code, stdout, stderr } = await vhostUser(["serve", "block", "--list-faults"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  assert.match(stdout, /^no-reply\[@request\[:n\]\] {2,}never replies$/m);
  assert.match(stdout, /^corrupt-read {2,}flips one bit of what is read$/m);
  assert.match(stdout, /^cut-reply\[=N\].*1 to 4108/m);
});

test("--quiet leaves results and errors only", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve();
  const input = Buffer.alloc(512, 1);
  const loud = await space.run(["io", "block", "write", socket], { input });
  assert.match(loud.stderr, /512 bytes written at byte 0 and flushed/);
  const quiet = await space.run(["io", "block", "write", socket, "--quiet"], { input });
  assert.deepEqual([quiet.code, quiet.stdout, quiet.stderr], [0, "", ""]);
  const read = await space.run(["io", "block", "read", socket, "-q"]);
  assert.deepEqual([read.code, read.bytes, read.stderr], [0, input, ""]);
  const failed = await space.run(["io", "block", "read", space.path("none"), "-q"]);
  assert.match(failed.stderr, /there is no such file/);
});
