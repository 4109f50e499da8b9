import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { OwnedFd } from "../../src/core/os/index.ts";
import { fstatSync } from "node:fs";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../src/endpoints/devices/block/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import {
  bootFirmware,
  bootSector,
  startStorageDaemon,
  Testpmd,
} from "../../src/lab/programs/index.ts";
import { RingFollower } from "../../src/lab/rings/index.ts";
import { isRingEvent, type RingEvent, RingSignals, Tracer } from "../../src/lab/trace/index.ts";
import { Relay } from "../../src/lab/wire/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

interface Followed {
  readonly socketPath: string;
  readonly events: readonly RingEvent[];
  /** A duplicate of the first memory that passed. */
  readonly memory: () => OwnedFd | undefined;
  readonly ended: () => Promise<void>;
}

/** A traced socket before a program's, whose rings are followed. */
async function follow(t: TestContext, connect: string, exact = false): Promise<Followed> {
  const socketPath = join(temporaryDirectory(t), "trace.sock");
  const events: RingEvent[] = [];
  const problems: Error[] = [];
  let memory: OwnedFd | undefined;
  const onProblem = (problem: Error): void => void problems.push(problem);
  const rings = new RingFollower({
    report: (event) => tracer.report(event),
    clock: () => tracer.us,
    exact,
    onProblem,
  });
  const signals = new RingSignals({
    decide: (signal) => {
      tracer.report(rings.signalled(signal));
      return { kind: "pass" };
    },
    onProblem,
  });
  const tracer: Tracer = new Tracer({
    consumers: [
      rings,
      {
        event: (event, _, [fd]) => {
          if (isRingEvent(event)) events.push(event);
          if (event.type !== "message" || event.descriptors[0]?.name !== "mem0") return;
          memory ??= fd?.duplicate();
        },
      },
    ],
    signals: exact ? signals : undefined,
    onProblem,
  });
  const relay = await Relay.start({
    frontend: { listen: socketPath },
    backend: { connect },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  const ended = async (): Promise<void> => {
    for (const session of relay.sessions) await session.closed;
    assert.deepEqual(problems, []);
  };
  t.after(async () => {
    relay.close();
    await ended();
    signals.close();
    rings.close();
    tracer.close();
    memory?.close();
  });
  return { socketPath, events, memory: () => memory, ended };
}

/** Chains that were made available, described or not, and what the ring's end says. */
function counts(events: readonly RingEvent[], ring: number): readonly [number, number, number] {
  const own = events.filter((event) => event.ring === ring);
  const seen = own.filter(({ type }) => type === "chain-available").length;
  const missed = own.reduce(
    (sum, event) => sum + (event.type === "chains-missed" ? event.chains : 0),
    0,
  );
  const totals = own.flatMap((event) =>
    event.type === "ring-view" && event.totals ? [event.totals] : [],
  );
  const sum = (part: "available" | "used"): number =>
    totals.reduce((all, each) => all + each[part], 0);
  return [seen + missed, sum("available"), sum("used")];
}

test(
  "the rings of qemu-storage-daemon are followed: every request, and no page more",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const content = Buffer.from(
      Array.from({ length: 1 << 16 }, (_, i) => (i * 7 + (i >> 8)) & 255),
    );
    const imagePath = diskImage(directory, 1 << 20, content);
    await using _daemon = await startStorageDaemon({ imagePath, socketPath });
    const followed = await follow(t, socketPath);
    const client = await Client.connect(followed.socketPath, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
    });
    const driver = await BlockDriver.start(client, { depth: 4, transferBytes: 4096 });
    const read = async (): Promise<void> => {
      for (let at = 0; at < content.length; at += 4096) {
        const bytes = await driver.read(at, 4096);
        assert.deepEqual(Buffer.from(bytes), content.subarray(at, at + 4096));
      }
    };
    await read();
    const memory = followed.memory();
    assert.ok(memory);
    const { blocks } = fstatSync(memory.fd);
    await read();
    assert.equal(fstatSync(memory.fd).blocks, blocks);
    await client.close();
    await followed.ended();
    assert.deepEqual(counts(followed.events, 0), [32, 32, 32]);
    const texts = followed.events.flatMap((event) =>
      event.type === "chain-available" ? [event.text] : [],
    );
    assert.ok(
      texts.every((text) => /^READ sector \d+, 8 sectors$/.test(text)),
      texts.join("\n"),
    );
  },
);

for (const exact of [false, true]) {
  test(
    `the rings of a machine that boots are followed${exact ? ", at each kick and call" : ""}`,
    { skip: needsProgram("qemu-system-x86_64") || needsProgram("qemu-storage-daemon") },
    async (t) => {
      const directory = temporaryDirectory(t);
      const socketPath = join(directory, "disk.sock");
      const imagePath = diskImage(directory, 1 << 20, Buffer.from(bootSector("booted")));
      await using _daemon = await startStorageDaemon({ imagePath, socketPath, writable: true });
      const followed = await follow(t, socketPath, exact);
      const { message } = await bootFirmware({ socketPath: followed.socketPath });
      assert.equal(message, "booted");
      await followed.ended();
      const [seen, available, used] = counts(followed.events, 0);
      assert.ok(available > 0);
      assert.deepEqual([seen, used], [available, available]);
      assert.ok(
        followed.events.some(
          (each) =>
            each.type === "chain-available" && each.text.startsWith("READ sector 0, 1 sector"),
        ),
      );
      const kicks = followed.events.filter(
        (each) => each.type === "ring-signal" && each.signal === "kick" && each.needed === true,
      );
      if (exact) assert.ok(kicks.length > 0, "no kick was seen");
    },
  );
}

test(
  "each request, kick and call of a client of qemu-storage-daemon is seen",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, 1 << 20, Buffer.from("exact"));
    await using _daemon = await startStorageDaemon({ imagePath, socketPath });
    const followed = await follow(t, socketPath, true);
    const client = await Client.connect(followed.socketPath, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
    });
    const driver = await BlockDriver.start(client, {
      depth: 1,
      transferBytes: 4096,
      ringMode: "event",
    });
    const requests = 200;
    for (let i = 0; i < requests; i += 1) await driver.read(4096 * (i % 256), 4096);
    await client.close();
    await followed.ended();
    assert.deepEqual(counts(followed.events, 0), [requests, requests, requests]);
    const described = followed.events.filter(({ type }) => type === "chain-used");
    assert.equal(described.length, requests);
    for (const signal of ["kick", "call"] as const) {
      const seen = followed.events.flatMap((each) =>
        each.type === "ring-signal" && each.signal === signal ? [each] : [],
      );
      assert.equal(
        seen.reduce((sum, each) => sum + (each.chains ?? 0), 0),
        requests,
        signal,
      );
      // A request alone needs its kick and its call, unless the daemon polls for a moment.
      assert.ok(seen.filter(({ needed }) => needed === true).length > requests / 2, signal);
    }
  },
);

test(
  "packed rings of DPDK are followed, in order or not",
  { skip: needsProgram("dpdk-testpmd") },
  async (t) => {
    const socketPath = join(temporaryDirectory(t), "net.sock");
    await using backend = await Testpmd.start({
      socketPath,
      role: "backend",
      applicationArguments: ["--forward-mode=rxonly"],
    });
    const followed = await follow(t, socketPath);
    {
      await using frontend = await Testpmd.start({
        socketPath: followed.socketPath,
        role: "frontend",
        deviceOptions: "packed_vq=1,in_order=0",
        applicationArguments: ["--forward-mode=rxonly", "--no-flush-rx"],
      });
      await frontend.command("start");
      await frontend.command("stop");
    }
    await followed.ended();
    assert.ok(backend);
    const views = followed.events.flatMap((event) =>
      event.type === "ring-view" && event.state === "followed" ? [event.reason] : [],
    );
    assert.ok(views.length > 0 && views.every((view) => view.startsWith("packed")), views.join());
    // The receive ring is filled with buffers, which are not used without frames.
    const buffers = followed.events.filter(
      (each) => each.type === "chain-available" && each.ring === 0,
    );
    const [seen, available, used] = counts(followed.events, 0);
    assert.ok(buffers.length > 0);
    assert.deepEqual([seen, used], [available, 0]);
  },
);
