import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startQemuNet, startVirtiofsd, Testpmd } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

test(
  "QEMU with a vhost-user card listens before a back-end connects, and can be stopped",
  { skip: needsProgram("qemu-system-x86_64") },
  async (t) => {
    const socketPath = join(temporaryDirectory(t), "net.sock");
    await using machine = await startQemuNet({ socketPath, queuePairs: 2 });
    // It listens first and says so afterwards.
    await machine.waitForOutput(/waiting for connection on: disconnected:unix:/, {
      timeoutMs: 10_000,
    });
    const exit = await machine.stop();
    assert.deepEqual(exit, { code: null, signal: "SIGTERM" });
    assert.ok(existsSync(socketPath), "QEMU leaves its socket behind");
  },
);

test(
  "virtiofsd listens and can be stopped",
  { skip: needsRoot() || needsProgram("virtiofsd") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const sharedDirectory = join(directory, "shared");
    mkdirSync(sharedDirectory);
    const socketPath = join(directory, "fs.sock");
    await using daemon = await startVirtiofsd({ socketPath, sharedDirectory });
    assert.equal(daemon.exit, undefined);
  },
);

test(
  "two testpmd, back-end and front-end, pass packets to each other and clean up",
  { skip: needsRoot() || needsProgram("dpdk-testpmd") },
  async (t) => {
    const socketPath = join(temporaryDirectory(t), "net.sock");
    const before = runtimeDirectories();
    {
      await using backend = await Testpmd.start({ socketPath, role: "backend" });
      await using frontend = await Testpmd.start({ socketPath, role: "frontend" });
      await backend.command("start");
      await frontend.command("start tx_first");
      const received = /RX-packets: ([1-9]\d*)/;
      const deadline = performance.now() + 10_000;
      while (!received.test(await backend.command("show port stats all"))) {
        assert.ok(performance.now() < deadline, "the back-end received nothing within 10 s");
      }
    }
    assert.equal(existsSync(socketPath), false);
    assert.deepEqual(runtimeDirectories(), before);
  },
);

function runtimeDirectories(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("vu-dpdk-"));
}
