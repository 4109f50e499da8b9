/** Data goes to and from programs on the crates of rust-vmm unchanged. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { ManagedProcess, startListening } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { sha256 } from "../support/sha256.ts";
import { needsRustPrograms, rustProgram } from "./support/index.ts";

guardLeaks();

const DISK_BYTES = 4 << 20;
const run = promisify(execFile);

/** Runs the front-end on `vhost`; resolves with what it prints. */
async function client(...words: readonly string[]): Promise<string> {
  const { stdout } = await run(rustProgram("block-client"), words, { timeout: 60_000 });
  return stdout.trimEnd();
}

/** A disk of noise with the daemon on vhost-user-backend in front of it. */
async function startDaemon(t: TestContext, space: Workspace) {
  const image = space.file("daemon.img", randomBytes(DISK_BYTES));
  const socket = space.path("daemon.sock");
  const words = [`--socket-path=${socket}`, `--image=${image}`];
  const start = () => ManagedProcess.spawn(rustProgram("block-daemon"), words);
  const daemon = await startListening(socket, start, {});
  t.after(async () => daemon[Symbol.asyncDispose]());
  return { socket, image };
}

test(
  "io block reads and writes the disk of a daemon on vhost-user-backend",
  { skip: needsRustPrograms() },
  async (t) => {
    const space = new Workspace(t);
    const { socket, image } = await startDaemon(t, space);
    const copy = space.path("copy.img");
    const read = await space.run([..."io block read --length 4M --out".split(" "), copy, socket]);
    assert.equal(read.code, 0, read.stderr);
    assert.equal(sha256(copy), sha256(image));
    const data = randomBytes(1 << 20);
    const input = space.file("input.bin", data);
    const write = await space.run([..."io block write --offset 1M --in".split(" "), input, socket]);
    assert.equal(write.code, 0, write.stderr);
    const written = readFileSync(image).subarray(1 << 20, 2 << 20);
    assert.ok(written.equals(data), "the daemon's file has other bytes");
    const verify = await space.run([
      ..."io block verify --length 4M --depth 1,16 --overwrite".split(" "),
      socket,
    ]);
    assert.equal(verify.code, 0, verify.stderr);
    assert.match(verify.stdout, /4 MiB verified/);
  },
);

test(
  "a front-end on vhost copies the disk of serve block in both directions",
  { skip: needsRustPrograms() },
  async (t) => {
    const space = new Workspace(t);
    const image = space.file("disk.img", randomBytes(DISK_BYTES));
    const { socket } = await space.serve(["--image", image]);
    const copy = space.path("copy.img");
    assert.equal(await client(socket, "read", copy), "64 chunks read");
    assert.equal(sha256(copy), sha256(image));
    const other = space.file("other.img", randomBytes(DISK_BYTES));
    assert.equal(await client(socket, "write", other), "64 chunks written");
    assert.equal(sha256(image), sha256(other));
    assert.match(await client(socket, "verify", "1"), /^\d+ equal reads$/);
  },
);

test(
  "trace prints what a front-end on vhost and a daemon on vhost-user-backend say to each other",
  { skip: needsRustPrograms() },
  async (t) => {
    const space = new Workspace(t);
    const image = space.file("daemon.img", randomBytes(DISK_BYTES));
    const copy = space.path("copy.img");
    const backEnd = `${rustProgram("block-daemon")} --socket-path={socket} --image=${image}`;
    const frontEnd = `${rustProgram("block-client")} {socket} read ${copy}`;
    const words = ["trace", "--exec-back-end", backEnd, "--exec-front-end", frontEnd];
    const { code, stdout, stderr } = await space.run(words);
    assert.equal(code, 0, stderr);
    assert.equal(sha256(copy), sha256(image));
    assert.match(stdout, /SET_MEM_TABLE reply ack=0/);
  },
);
