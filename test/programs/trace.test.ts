import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer, type Device } from "../../src/endpoints/backend/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockDriver,
} from "../../src/endpoints/devices/block/index.ts";
import { FsDriver } from "../../src/endpoints/devices/fs/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import {
  bootedExitCode,
  bootFirmware,
  bootSector,
  startStorageDaemon,
  startVirtiofsd,
  Testpmd,
} from "../../src/lab/programs/index.ts";
import {
  ComparedTrace,
  DEFAULT_MASKS,
  describeDiff,
  type MessageEvent,
  SessionDecoder,
  Tracer,
} from "../../src/lab/trace/index.ts";
import type { FrameObserver } from "../../src/core/transport/index.ts";
import { kernelObject, Relay } from "../../src/lab/wire/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

interface Traced {
  readonly socketPath: string;
  /** What passed. */
  readonly conversation: ComparedTrace;
  readonly messages: readonly MessageEvent[];
  /** Waits until every session has ended. */
  readonly ended: () => Promise<void>;
}

/** A traced socket before a program's. */
async function trace(t: TestContext, connect: string): Promise<Traced> {
  const socketPath = join(temporaryDirectory(t), "trace.sock");
  const conversation = new ComparedTrace(DEFAULT_MASKS);
  const messages: MessageEvent[] = [];
  const collect = { event: (event: MessageEvent) => void messages.push(event) };
  const tracer = new Tracer({
    consumers: [
      conversation,
      { event: (event) => (event.type === "message" ? collect.event(event) : undefined) },
    ],
  });
  const relay = await Relay.start({
    frontend: { listen: socketPath },
    backend: { connect },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  const ended = async (): Promise<void> => {
    for (const session of relay.sessions) await session.closed;
  };
  t.after(async () => {
    relay.close();
    await ended();
    tracer.close();
  });
  return { socketPath, conversation, messages, ended };
}

/** The conversation of one side without a proxy, as that side saw it. */
class Witness {
  readonly conversation = new ComparedTrace(DEFAULT_MASKS);
  readonly #decoder = new SessionDecoder({ session: 0 });
  readonly #sends: "front-end" | "back-end";

  constructor(side: "front-end" | "back-end") {
    this.#sends = side;
  }

  readonly observe: FrameObserver = (way, { header, payload, fds }, channel) => {
    const other = this.#sends === "front-end" ? "back-end" : "front-end";
    const from = way === "sent" ? this.#sends : other;
    const objects = fds.map(({ fd }) => kernelObject(fd));
    const event = this.#decoder.message(0, { from, channel, header, payload, objects });
    this.conversation.event(event);
  };
}

/** The proxy neither adds, drops, reorders nor changes a message. */
function assertSame(through: ComparedTrace, direct: ComparedTrace): void {
  const diffs = direct.compare(through);
  assert.ok(diffs.length > 0);
  assert.ok(
    diffs.every(({ differences }) => differences === 0),
    describeDiff(diffs).join("\n"),
  );
}

const rules = ({ messages }: Traced): string[] =>
  messages.flatMap(({ request, violations }) =>
    violations.map(({ rule }) => `${request}: ${rule}`),
  );

test(
  "a client says to qemu-storage-daemon through trace what it says without",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, 1 << 20, Buffer.from("through trace"));
    await using _daemon = await startStorageDaemon({ imagePath, socketPath });
    const read = async (path: string, observe?: FrameObserver): Promise<void> => {
      const client = await Client.connect(path, { deviceFeatures: BLOCK_DRIVER_FEATURES, observe });
      const driver = await BlockDriver.start(client, { depth: 1, transferBytes: 4096 });
      const bytes = await driver.read(0, 512);
      assert.equal(Buffer.from(bytes.subarray(0, 13)).toString(), "through trace");
      await client.close();
    };
    const direct = new Witness("front-end");
    await read(socketPath, direct.observe);
    const traced = await trace(t, socketPath);
    await read(traced.socketPath);
    await traced.ended();
    assertSame(traced.conversation, direct.conversation);
    assert.deepEqual(rules(traced), []);
  },
);

test(
  "a client says to virtiofsd through trace what it says without",
  { skip: needsRoot() || needsProgram("virtiofsd") },
  async (t) => {
    const directory = temporaryDirectory(t);
    diskImage(directory, 1 << 20, Buffer.alloc(0));
    const list = async (path: string, observe?: FrameObserver): Promise<void> => {
      const client = await Client.connect(path, { observe });
      const driver = await FsDriver.start(client);
      assert.ok(await driver.getattr(1n));
      await client.close();
    };
    const direct = new Witness("front-end");
    const socketPath = join(directory, "fs.sock");
    const first = await startVirtiofsd({ socketPath, sharedDirectory: directory });
    await list(socketPath, direct.observe);
    await first.exited;
    await using _second = await startVirtiofsd({ socketPath, sharedDirectory: directory });
    const traced = await trace(t, socketPath);
    await list(traced.socketPath);
    await traced.ended();
    assertSame(traced.conversation, direct.conversation);
  },
);

test(
  "a machine boots from our back-end through trace, and says what it says without",
  { skip: needsProgram("qemu-system-x86_64") },
  async (t) => {
    const image = diskImage(temporaryDirectory(t), 1 << 20, Buffer.from(bootSector("booted")));
    const storage = BlockStorage.open(image);
    t.after(() => storage.close());
    const device = (): Device => new BlockDevice({ storage });
    const direct = new Witness("back-end");
    const serve = async (observe?: FrameObserver): Promise<string> => {
      const path = join(temporaryDirectory(t), "disk.sock");
      const server = await BackendServer.listen(path, { device, observe });
      t.after(() => server.close());
      return path;
    };
    const boot = async (socketPath: string): Promise<void> => {
      const { message, exitCode } = await bootFirmware({ socketPath });
      assert.deepEqual([message, exitCode], ["booted", bootedExitCode]);
    };
    await boot(await serve(direct.observe));
    const traced = await trace(t, await serve());
    await boot(traced.socketPath);
    await traced.ended();
    assertSame(traced.conversation, direct.conversation);
    assert.deepEqual(rules(traced), []);
  },
);

test(
  "a machine boots from qemu-storage-daemon through trace",
  { skip: needsProgram("qemu-system-x86_64") || needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, 1 << 20, Buffer.from(bootSector("booted")));
    await using _daemon = await startStorageDaemon({ imagePath, socketPath, writable: true });
    const traced = await trace(t, socketPath);
    const { message } = await bootFirmware({ socketPath: traced.socketPath });
    assert.equal(message, "booted");
    await traced.ended();
    const kicks = traced.messages.flatMap(({ request, descriptors }) =>
      request === "VHOST_USER_SET_VRING_KICK" ? descriptors.map(({ name }) => name) : [],
    );
    assert.deepEqual(kicks, ["kick.0"]);
    assert.deepEqual(rules(traced), []);
  },
);

test(
  "DPDK's virtio-user uses DPDK's net_vhost through trace",
  { skip: needsProgram("dpdk-testpmd") },
  async (t) => {
    const socketPath = join(temporaryDirectory(t), "net.sock");
    const applicationArguments = ["--forward-mode=rxonly", "--no-flush-rx"];
    await using backend = await Testpmd.start({
      socketPath,
      role: "backend",
      applicationArguments: ["--forward-mode=rxonly"],
    });
    const traced = await trace(t, socketPath);
    {
      await using frontend = await Testpmd.start({
        socketPath: traced.socketPath,
        role: "frontend",
        applicationArguments,
      });
      await frontend.command("start");
      await frontend.command("stop");
    }
    await traced.ended();
    assert.ok(backend);
    const names = new Set(traced.messages.map(({ request }) => request));
    for (const name of ["SET_MEM_TABLE", "SET_VRING_ADDR", "SET_VRING_KICK", "SET_STATUS"]) {
      assert.ok(names.has(`VHOST_USER_${name}`), name);
    }
    const memory = traced.messages.find(({ request }) => request === "VHOST_USER_SET_MEM_TABLE");
    assert.equal(memory?.descriptors[0]?.name, "mem0");
    assert.ok(traced.messages.every(({ isReply, answers }) => isReply === (answers !== undefined)));
  },
);
