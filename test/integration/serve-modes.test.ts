import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const MIB = 1 << 20;

for (const mode of ["event", "poll", "hybrid"]) {
  test(`serve block --workers --mode ${mode} passes io block verify, and ends with SIGTERM`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve(["--size", "4M", "--workers", "--mode", mode]);
    const words = `io block verify ${socket} --size 1M --overwrite --depth 1,8`.split(" ");
    const { code, stderr } = await space.run(words);
    assert.equal(code, 0, stderr);
    assert.equal((await server.stop("SIGTERM")).code, 0);
  });
}

test("what workers wrote is in the image when the command has ended", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", randomBytes(MIB));
  const { socket, server } = await space.serve(["--image", image, "--queues", "4", "--workers"]);
  const input = randomBytes(MIB);
  const { code, stderr } = await space.run(["io", "block", "write", socket], { input });
  assert.equal(code, 0, stderr);
  assert.equal((await server.stop("SIGTERM")).code, 0);
  assert.ok(readFileSync(image).equals(input));
});

test("a fault of rings cannot be had with --workers, one of messages can", async (t) => {
  const space = new Workspace(t);
  const words = ["serve", "block", "--socket", space.path("disk.sock"), "--workers", "--fault"];
  const { code, stderr } = await space.run([...words, "drop-completion"]);
  assert.equal(code, 2);
  assert.match(stderr, /--fault drop-completion: expected a fault of messages with --workers/);
  await space.serve(["--workers", "--fault", "no-reply@GET_CONFIG"]);
});

for (const workers of [[], ["--workers"]]) {
  test(`serve block --null ${workers.join("")} completes everything and keeps nothing`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--null", "--size", "1M", ...workers]);
    writeFileSync(space.path("data"), Buffer.alloc(4096, 7));
    const written = await space.run(["io", "block", "write", socket, "--in", "data"]);
    assert.equal(written.code, 0, written.stderr);
    const read = ["io", "block", "read", socket, "--length", "4096", "--out", "back"];
    assert.equal((await space.run(read)).code, 0);
    assert.ok(readFileSync(space.path("back")).every((byte) => byte === 0));
  });
}
