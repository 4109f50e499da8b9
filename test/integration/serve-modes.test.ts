import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const MIB = 1 << 20;

for (const mode of ["event", "poll", "hybrid"]) {
  test(`serve block --workers --ring-mode ${mode} passes io block verify, and ends with SIGTERM`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve([
      "--size",
      "4M",
      "--workers",
      "--ring-mode",
      mode,
    ]);
    const words = `io block verify ${socket} --length 1M --overwrite --depth 1,8`.split(" ");
    const { code, stderr } = await space.run(words);
    assert.equal(code, 0, stderr);
    assert.equal((await server.stop("SIGTERM")).code, 0);
  });
}

for (const flags of [[], ["--packed"]]) {
  test(`serve block --iommu passes io block verify --iommu ${flags.join("")}, and workers where there is no IOMMU`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve(["--size", "4M", "--workers", "--iommu", "-v"]);
    const words = `io block verify ${socket} --length 1M --overwrite --depth 1,8`.split(" ");
    const behind = await space.run([...words, "--iommu", ...flags]);
    assert.equal(behind.code, 0, behind.stderr);
    assert.match(server.stderr, /VHOST_USER_BACKEND_IOTLB_MSG .*miss/);
    assert.equal((await space.run([...words, ...flags])).code, 0);
    assert.equal((await server.stop("SIGTERM")).code, 0);
  });
}

test("io net --iommu pings serve net --iommu; without the option on the server the error has the remedy", async (t) => {
  const space = new Workspace(t);
  const serve = async (name: string, ...more: string[]): Promise<string> => {
    const socket = space.path(name);
    const server = space.start(["serve", "net", "--socket", socket, ...more]);
    await server.printed(/listening on /);
    return socket;
  };
  const ping = (socket: string) =>
    space.run(["io", "net", "ping", socket, "10.0.2.1", "--source", "10.0.2.9", "--iommu"]);
  const pinged = await ping(await serve("with.sock", "--iommu"));
  assert.equal(pinged.code, 0, pinged.stderr);
  assert.match(pinged.stdout, /0 % lost/);
  const refused = await ping(await serve("without.sock"));
  assert.equal(refused.code, 3);
  assert.match(
    refused.stderr,
    /lacks what an IOMMU needs: VIRTIO_F_ACCESS_PLATFORM; .*serve: --iommu/,
  );
});

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
  assert.match(stderr, /--fault drop-completion and --workers cannot be combined/);
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
