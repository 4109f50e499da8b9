import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BackendServer, type BackendSession } from "../../src/endpoints/backend/index.ts";
import { BlockDevice, BlockFeature } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import {
  FrontendRequest,
  HeaderFlag,
  VirtioFeature,
  vringState,
} from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest } from "./support/index.ts";
import { bootWithDisks, randomDisk } from "./support/guest-disks.ts";

guardLeaks();

const ON_OFF = ["on", "off"] as const;

/** Every way that a guest's rings can be, each a disk of one machine. */
const kinds = ON_OFF.flatMap((packed) =>
  [1, 4].flatMap((queues) =>
    ON_OFF.flatMap((eventIdx) =>
      ON_OFF.map((indirect) => ({ packed, queues, eventIdx, indirect })),
    ),
  ),
);

async function serve(t: TestContext, queues: number) {
  const disk = randomDisk(t);
  const storage = BlockStorage.open(disk.image);
  t.after(() => storage.close());
  const sessions: BackendSession[] = [];
  const problems: string[] = [];
  /** Queues that were started, and where each was when it was stopped last. */
  const started = new Set<number>();
  const stopped = new Map<number, number>();
  const server = await BackendServer.listen(disk.socketPath, {
    device: () => new BlockDevice({ storage, queues }),
    onSession: (session) => sessions.push(session),
    onProblem: ({ message }) => problems.push(message),
    observe: (_way, { header, payload }) => {
      if (header.request === FrontendRequest.SetVringKick) started.add(payload[0] ?? -1);
      if (header.request !== FrontendRequest.GetVringBase) return;
      if ((header.flags & HeaderFlag.Reply) === 0) return;
      const { index, num } = vringState.decode(payload);
      stopped.set(index, num);
    },
  });
  t.after(() => server.close());
  return { ...disk, sessions, problems, started, stopped };
}

test(
  "a Linux guest's checksums equal ours on 16 disks, one for each kind of ring",
  { skip: needsGuest() },
  async (t) => {
    const disks = await Promise.all(
      kinds.map(async (kind) => ({
        ...kind,
        ...(await serve(t, kind.queues)),
        properties: `packed=${kind.packed},event_idx=${kind.eventIdx},indirect_desc=${kind.indirect}`,
      })),
    );
    await bootWithDisks(t, disks);
    for (const { packed, queues, eventIdx, indirect, properties, ...served } of disks) {
      const [session, ...rest] = served.sessions;
      assert.equal(rest.length, 0, properties);
      const features = session?.negotiation.features ?? 0n;
      const has = (feature: bigint): boolean => (features & feature) !== 0n;
      assert.deepEqual(
        [
          VirtioFeature.RingPacked,
          BlockFeature.Mq,
          VirtioFeature.EventIdx,
          VirtioFeature.IndirectDesc,
        ].map(has),
        [packed === "on", queues > 1, eventIdx === "on", indirect === "on"],
        properties,
      );
      const all = new Set(Array.from({ length: queues }, (_, index) => index));
      assert.deepEqual(served.started, all, properties);
      // No queue is where it began: each had requests.
      const fresh = packed === "on" ? 0x8000_8000 : 0;
      const used = [...served.stopped].filter(([, base]) => base !== fresh).map(([index]) => index);
      assert.deepEqual(new Set(used), all, properties);
      assert.deepEqual(served.problems, [], properties);
    }
  },
);
