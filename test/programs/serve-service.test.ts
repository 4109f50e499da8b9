import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { OwnedFd } from "../../src/core/os/index.ts";
import { FrontendRequest } from "../../src/core/protocol/index.ts";
import { ManagedProcess } from "../../src/lab/programs/index.ts";
import { RawFrontend } from "../../src/lab/wire/index.ts";
import { notifications, Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { needsProgram, needsRoot } from "./support/index.ts";
import { until } from "../support/until.ts";

guardLeaks();

/** 0 while the file is being mounted. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

test(
  "an image whose disk fails at the last flush: serve says so and exits with 1; as a front-end's descriptor it ends nothing",
  { skip: needsProgram("qemu-storage-daemon") || needsRoot() },
  async (t) => {
    const space = new Workspace(t);
    const image = space.file("disk.img", "");
    truncateSync(space.file("behind.img", ""), 1 << 20);
    const node = [
      "driver=blkdebug,node-name=failing,image=behind",
      "inject-error.0.event=none,inject-error.0.iotype=flush,inject-error.0.errno=5",
      "inject-error.0.once=off,inject-error.0.immediately=off",
    ].join(",");
    // A file whose fdatasync(2) is EIO.
    await using daemon = await ManagedProcess.spawn("qemu-storage-daemon", [
      "--blockdev",
      `driver=file,node-name=behind,filename=${space.path("behind.img")}`,
      "--blockdev",
      node,
      "--export",
      `type=fuse,id=file,node-name=failing,mountpoint=${image},writable=on`,
    ]);
    // Does nothing where the daemon has removed its mount, as it does unless it is killed.
    t.after(() => spawnSync("umount", ["-l", image], { stdio: "ignore" }));
    await until(() => sizeOf(image) > 0 || daemon.exit !== undefined);
    assert.equal(daemon.exit, undefined, daemon.output);
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const { socket, server } = await space.serve(["--image", image, "--pid-file", "pid"]);
      // The daemon flushes only what was written; the guest's own flush fails as well.
      const write = ["io", "block", "write", socket];
      assert.equal((await space.run(write, { input: new Uint8Array(4096) })).code, 1);
      const { code, stderr } = await server.stop(signal);
      assert.match(stderr, /: cannot synchronise .*disk\.img: EIO: i\/o error, fdatasync; writes/);
      assert.match(stderr, /^cannot close .*disk\.img: EIO: i\/o error, close$/m);
      assert.equal(code, 1);
      assert.equal(existsSync(socket), false);
      assert.equal(existsSync(space.path("pid")), false);
    }

    // close(2) of such a file fails, also for who was only sent it.
    const { socket, server } = await space.serve(["--size", "1M"]);
    const hostile = await RawFrontend.connect(socket);
    const file = new OwnedFd(openSync(image, "r+"));
    writeSync(file.fd, new Uint8Array(4096));
    for (let i = 0; i < 3; i += 1) {
      await hostile.send(FrontendRequest.SetOwner, undefined, { fds: [file] });
    }
    await hostile.alive();
    hostile.close();
    file.close();
    const other = await RawFrontend.connect(socket);
    assert.ok(await other.alive());
    other.close();
    assert.equal((await server.stop()).code, 0);
  },
);

test(
  "systemd-socket-activate starts serve as the documented unit does, and every front-end is served",
  { skip: needsProgram("systemd-socket-activate") },
  async (t) => {
    const space = new Workspace(t);
    const socket = space.path("disk.sock");
    const manager = await notifications(t, space.path("notify"));
    const variables = ["NOTIFY_SOCKET", "VHOST_USER_TEST", "PATH", "TMPDIR"];
    const activate = ["systemd-socket-activate", `--listen=${socket}`];
    const wrapper = [...activate, ...variables.flatMap((name) => ["-E", name])];
    const env = { NOTIFY_SOCKET: space.path("notify") };
    const page = readFileSync(join(packageRoot, "docs/guides/service.md"), "utf8");
    const [, command = ""] = /^ExecStart=\S+\/vhost-user (.*)$/m.exec(page) ?? [];
    const image = space.file("disk.img", new Uint8Array(1 << 20));
    const words = command.replace("/var/lib/vhost-user/%i.img", image).split(" ");
    const server = space.start(words, { wrapper, env });
    await server.printed(/Listening on/);
    for (let i = 0; i < 2; i += 1) {
      const client = await Client.connect(socket, { memory: { size: 1 << 20 }, timeoutMs: 20_000 });
      await client.close();
    }
    await manager.received("READY=1", 1);
    const { code, stderr } = await server.stop("SIGTERM");
    assert.match(stderr, /"message":"serving 1 socket of the service manager/);
    assert.equal(code, 0, stderr);
    await manager.received("STOPPING=1", 1);
  },
);
