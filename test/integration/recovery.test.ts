import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";
import { killUnderLoad } from "./support/killing.ts";

guardLeaks();

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";
  test(`the back-end is killed 10 times under load, out of order: ${format} ring`, async (t) => {
    await killUnderLoad(t, { kills: 10, packed, serve: ["--fault", "late-completions=8"] });
  });
}

test("io block verify --reconnect goes on where the back-end was killed", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", new Uint8Array(4 << 20));
  const args = ["--image", image, "--fault", "late-completions=20"];
  const { socket, server } = await space.serve(args);
  const verify = ["io", "block", "verify", socket, "--reconnect", "--packed", "--block-size", "4K"];
  const running = space.start([...verify, "--depth", "8", "--completion", "event", "--json", "-v"]);
  // The client's side, not the server's: only now its handshake is over.
  await running.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await server.stop("SIGKILL");
  await space.serve(args);
  const { code, stdout, stderr } = await running.result;
  assert.match(
    stderr,
    /came back after \d+ ms \(attempt \d+\): 8 requests were out, [0-8] of them/,
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual((JSON.parse(stdout) as { verified: boolean }).verified, true);
});

test("without --reconnect a killed back-end is a failure, as before", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "4M", "--fault", "never-complete"]);
  const running = space.start(["io", "block", "verify", socket, "--depth", "1", "-v"]);
  await running.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await server.stop("SIGKILL");
  const { code, stderr } = await running.result;
  assert.match(stderr, /closed/);
  assert.equal(code, 1);
});
