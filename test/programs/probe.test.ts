import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import {
  startQemuNet,
  startStorageDaemon,
  startVirtiofsd,
  Testpmd,
} from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, needsRoot } from "./support/index.ts";

guardLeaks();

type Document = Record<string, unknown> & {
  timingsUs: Record<string, number | null>;
  hints: { id: string }[];
};

const hintsOf = ({ hints }: Document): string[] => hints.map(({ id }) => id);

async function probe(space: Workspace, socket: string, ...args: string[]): Promise<Document> {
  const { code, stdout, stderr } = await space.run(["probe", socket, "--json", "--quiet", ...args]);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  return JSON.parse(stdout) as Document;
}

/** The document without what differs from run to run or machine, and without the names of the bits. */
function essence({
  timingsUs: _t,
  socket: _s,
  virtioFeatures: _v,
  hints: _h,
  ...rest
}: Document): unknown {
  return rest;
}

test(
  "probe is right about qemu-storage-daemon",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const space = new Workspace(t);
    const socketPath = space.path("disk.sock");
    const imagePath = diskImage(space.folder, 1 << 20);
    await using _daemon = await startStorageDaemon({ socketPath, imagePath, queues: 2 });
    for (const args of [[], ["--strict"], []]) {
      const result = await probe(space, socketPath, ...args);
      const { config, ...rest } = essence(result) as { config: Record<string, unknown> };
      assert.deepEqual(rest, {
        schemaVersion: 1,
        kind: "probe",
        role: "back-end",
        device: "block",
        protocolFeatures: [
          "VHOST_USER_PROTOCOL_F_MQ",
          "VHOST_USER_PROTOCOL_F_LOG_SHMFD",
          "VHOST_USER_PROTOCOL_F_REPLY_ACK",
          "VHOST_USER_PROTOCOL_F_BACKEND_REQ",
          "VHOST_USER_PROTOCOL_F_PAGEFAULT",
          "VHOST_USER_PROTOCOL_F_CONFIG",
          "VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD",
          "VHOST_USER_PROTOCOL_F_HOST_NOTIFIER",
          "VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS",
        ],
        virtioFeatureBits: "0x175007e46",
        protocolFeatureBits: "0x8f2b",
        queues: 2,
        memorySlots: 32,
      });
      assert.equal(config["capacity"], 2048);
      assert.equal(config["numQueues"], 2);
      assert.equal(config["blkSize"], 512);
      for (const us of Object.values(result.timingsUs)) assert.ok(Number(us) > 0);
    }
  },
);

test(
  "probe is right about virtiofsd, and says that it ends with its front-end",
  { skip: needsRoot() || needsProgram("virtiofsd") },
  async (t) => {
    const space = new Workspace(t);
    const sharedDirectory = space.path("shared");
    mkdirSync(sharedDirectory);
    const socketPath = space.path("fs.sock");
    await using daemon = await startVirtiofsd({ socketPath, sharedDirectory });
    const { code, stdout, stderr } = await space.run(["probe", socketPath, "--json"]);
    assert.equal(code, 0);
    assert.match(stderr, /note: virtiofsd serves one front-end and exits when it leaves/);
    const result = JSON.parse(stdout) as Document;
    assert.deepEqual(
      [result["role"], result["device"], result["queues"], result["memorySlots"]],
      ["back-end", "fs", 2, 32],
    );
    assert.deepEqual(hintsOf(result), []);
    assert.equal(result["virtioFeatureBits"], "0x175000000");
    assert.equal(result["protocolFeatureBits"], "0x8c2b");
    await daemon.exited;
  },
);

test(
  "probe is right about DPDK's net_vhost",
  { skip: needsRoot() || needsProgram("dpdk-testpmd") },
  async (t) => {
    const space = new Workspace(t);
    const socketPath = space.path("net.sock");
    await using _peer = await Testpmd.start({ socketPath, role: "backend", queuePairs: 2 });
    for (let round = 0; round < 3; round += 1) {
      const result = await probe(space, socketPath);
      assert.deepEqual(
        [result["role"], result["device"], result["memorySlots"], result["config"]],
        ["back-end", "net", null, null],
      );
      // The library's own maximum of queue pairs, whatever the port has.
      assert.equal(result["queues"], 128);
      assert.equal(result["virtioFeatureBits"], "0xd7c66e7cb");
      assert.equal(result["protocolFeatureBits"], "0x10cbf");
      assert.deepEqual(hintsOf(result), ["few-memory-slots"]);
      assert.equal(result.timingsUs["memorySlots"], null);
      assert.equal(result.timingsUs["config"], null);
    }
  },
);

test(
  "probe is right about QEMU's network card three times in a row, and QEMU goes on waiting",
  { skip: needsProgram("qemu-system-x86_64") },
  async (t) => {
    const space = new Workspace(t);
    const socketPath = space.path("net.sock");
    await using machine = await startQemuNet({ socketPath });
    for (let round = 0; round < 3; round += 1) {
      const result = await probe(space, socketPath);
      assert.deepEqual(
        { ...(essence(result) as object), protocolFeatures: [] },
        {
          schemaVersion: 1,
          kind: "probe",
          role: "front-end",
          device: null,
          protocolFeatures: [],
          virtioFeatureBits: null,
          // Every bit up to 16 but CONFIG: a network card does not ask its back-end for that.
          protocolFeatureBits: "0x1fdff",
          queues: null,
          memorySlots: null,
          config: null,
        },
      );
      assert.deepEqual(result["virtioFeatures"], []);
      assert.equal((result["protocolFeatures"] as string[]).length, 16);
      assert.ok(Number(result.timingsUs["role"]) < 50_000, "it speaks at once");
    }
    assert.equal(machine.exit, undefined);
  },
);
