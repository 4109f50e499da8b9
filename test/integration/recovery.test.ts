import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { type Running, Workspace } from "./support/index.ts";
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
  const running = space.start([...verify, "--depth", "8", "--ring-mode", "event", "--json", "-v"]);
  // The client's side, not the server's: only now its handshake is over.
  await running.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await running.runFor(20);
  await server.stop("SIGKILL");
  await space.serve(args);
  const { code, stdout, stderr } = await running.result;
  assert.match(
    stderr,
    /reconnected to the back-end after \d+ ms \(attempt \d+\): 8 requests outstanding, [0-8] resubmitted/,
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual((JSON.parse(stdout) as { verified: boolean }).verified, true);
});

test("--reconnect waits for the first back-end, and for one whose handshake does not fail", async (t) => {
  const space = new Workspace(t);
  const verify = "io block verify s --reconnect --depth 1 --ring-mode event -v".split(" ");
  const list = "io fs ls f --reconnect -v".split(" ");
  const [block, fs] = [space.start(verify), space.start(list)];
  for (const running of [block, fs])
    await running.printed(/waiting for a back-end on [sf]: .*no such/);
  const serve = async (more: readonly string[]): Promise<Running[]> => {
    const disk = await space.serve(["--size", "1M", ...more], "s");
    const folder = await space.serve(["--dir", space.folder, ...more], "f", "fs");
    return [disk.server, folder.server];
  };
  // Behind the negotiation, and before a ring runs.
  const failing = await serve(["--fault", "close-before-reply@GET_INFLIGHT_FD"]);
  for (const running of [block, fs]) await running.printed(/(GET_INFLIGHT_FD[^]*){2}/);
  for (const server of failing) await server.stop("SIGKILL");
  await serve([]);
  for (const running of [block, fs]) {
    const { code, stderr } = await running.result;
    assert.equal(code, 0, stderr);
  }
});

test("--reconnect-for is the deadline, and asks for --reconnect", async (t) => {
  const space = new Workspace(t);
  const { code, stderr } = await space.run("io block id s --reconnect-for 100ms".split(" "));
  assert.match(stderr, /waiting for a back-end on s: /);
  assert.match(stderr, /no back-end answered within 100 ms \(\d+ attempts?\); the last one: s: /);
  assert.equal(code, 3);
});

test("without --reconnect a killed back-end is a failure, as before", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "4M", "--fault", "never-complete"]);
  const running = space.start(["io", "block", "verify", socket, "--depth", "1", "-v"]);
  await running.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await running.runFor(20);
  await server.stop("SIGKILL");
  const { code, stderr } = await running.result;
  assert.match(stderr, /closed/);
  assert.equal(code, 1);
});
