import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import { EnvironmentError, RemoteError, StateError } from "../../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { NetDevice } from "../../../../src/endpoints/devices/net/index.ts";
import {
  addMemory,
  Client,
  type ClientOptions,
  removeMemory,
} from "../../../../src/endpoints/frontend/index.ts";
import { RegionTable, Resolved, SpanList, type Region } from "../../../../src/core/memory/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { GIB, makeRegion, PAGE } from "../../support/memory.ts";
import { DISK_BYTES, serveDisk } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const MAX_SLOTS = 509;
const oneTable = { protocol: ProtocolFeature.ConfigureMemSlots };

const layouts: readonly (ClientOptions & { readonly name: string })[] = [
  { name: "509 slots", memory: { size: MAX_SLOTS << 15, regions: MAX_SLOTS } },
  { name: "8 regions in one table", memory: { size: 8 << 20, regions: 8 }, without: oneTable },
  {
    name: "files that begin with something else",
    memory: { size: 4 << 20, regions: 4, mmapOffset: 3 * PAGE },
  },
  {
    name: "offsets of no whole page",
    memory: { size: 4 << 20, regions: 4, mmapOffset: 5 * PAGE + 192 },
  },
  {
    name: "the same behind an IOMMU",
    memory: { size: 4 << 20, regions: 4, mmapOffset: 5 * PAGE + 192 },
    iommu: true,
  },
];

for (const { name, ...options } of layouts) {
  test(`what was written is read with memory of ${name}`, async (t) => {
    const served = await serveDisk(t, (o) => ({ ...o, iommu: true }));
    await using client = await Client.connect(served.path, {
      ...options,
      deviceFeatures: BLOCK_DRIVER_FEATURES,
    });
    const { regions = 0 } = options.memory ?? {};
    const [session] = served.server.sessions;
    assert.equal(session?.memory.regions.length, regions);
    // Enough buffers to be in most of the regions.
    const bytes = (options.memory?.size ?? 0) / regions;
    const transferBytes = regions === MAX_SLOTS ? 16_384 : 65_536;
    const depth = Math.min(256, Math.floor((bytes * regions * 0.6) / transferBytes));
    const driver = await BlockDriver.start(client, { depth, queueSize: 256, transferBytes });
    const data = randomBytes(DISK_BYTES);
    await driver.write(0, data);
    assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
    assert.deepEqual(served.problems, []);
  });
}

test("more regions than the back-end has room for are refused before anything is shared", async (t) => {
  const served = await serveDisk(t);
  const sent: number[] = [];
  const observe: ClientOptions["observe"] = (way, { header }) => {
    if (way === "sent") sent.push(header.request);
  };
  await assert.rejects(
    Client.connect(served.path, { memory: { size: 16 << 20, regions: MAX_SLOTS + 1 }, observe }),
    (error) =>
      error instanceof EnvironmentError &&
      /room for 509 memory regions, not for 510;/.test(error.message),
  );
  await assert.rejects(
    Client.connect(served.path, {
      memory: { size: 1 << 20, regions: 254 },
      without: oneTable,
      observe,
    }),
    (error) =>
      error instanceof EnvironmentError &&
      /room for 253 memory regions, not for 254;/.test(error.message),
  );
  assert.ok(
    !sent.includes(FrontendRequest.AddMemReg) && !sent.includes(FrontendRequest.SetMemTable),
  );
});

for (const without of [undefined, oneTable]) {
  test(`regions come and go while requests run (${without ? "tables" : "slots"})`, async (t) => {
    const served = await serveDisk(t);
    await using client = await Client.connect(served.path, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 4 << 20 },
      without,
    });
    const driver = await BlockDriver.start(client, { depth: 8 });
    const data = randomBytes(DISK_BYTES);
    let rounds = 0;
    let ended = false;
    const load = (async () => {
      while (!ended) {
        await driver.write(0, data);
        assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
        rounds += 1;
      }
    })();
    const [session] = served.server.sessions;
    for (let i = 0; i < 12; i += 1) {
      const added = await addMemory(client, 1 << 20);
      assert.equal(session?.memory.regions.length, 2);
      const before = rounds;
      await until(() => rounds > before, "another round");
      await removeMemory(client, added);
      assert.equal(session?.memory.regions.length, 1);
      await assert.rejects(removeMemory(client, added), StateError);
    }
    ended = true;
    await load;
    assert.deepEqual(served.problems, []);
  });
}

test("memory that is added is used by queues that begin afterwards", async (t) => {
  const served = await serveDisk(t, undefined, 2);
  await using client = await Client.connect(served.path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: PAGE },
  });
  const region = await addMemory(client, 8 << 20);
  const driver = await BlockDriver.start(client, { queues: 2, depth: 8 });
  const data = randomBytes(DISK_BYTES);
  await driver.write(0, data);
  assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
  assert.ok(region.start > 2 ** 32);
});

test("a region may be added once for each pair of queues, and not more often", async (t) => {
  const path = join(temporaryFolder(t), "net.sock");
  const problems: string[] = [];
  const server = await BackendServer.listen(path, {
    device: () => new NetDevice({ queuePairs: 3 }),
    onProblem: ({ message }) => problems.push(message),
  });
  t.after(() => server.close());
  await using client = await Client.connect(path, { memory: { size: 4 * PAGE } });
  const [first] = client.memory.regions;
  const [session] = server.sessions;
  assert.ok(first && session);
  const { description, fd } = first;
  const { requests } = client;
  for (let i = 0; i < 2; i += 1) await requests.addMemReg(description, fd);
  assert.equal(session.memory.regions.length, 1);
  await assert.rejects(requests.addMemReg(description, fd), RemoteError);
  await assert.rejects(requests.addMemReg({ ...description, size: 4096n }, fd), RemoteError);
  await requests.remMemReg(description);
  assert.equal(session.memory.regions.length, 0, "let go of at the first removal");
  for (let i = 0; i < 2; i += 1) await requests.remMemReg(description);
  await assert.rejects(requests.remMemReg(description), RemoteError);
  await requests.addMemReg(description, fd);
  assert.equal(session.memory.regions.length, 1);
  assert.equal(problems.length, 3);
});

/** Counts how often a look-up looks at a region's addresses. */
function countLooks(regions: readonly Region[]): { looks: number } {
  const counter = { looks: 0 };
  for (const region of regions) {
    for (const name of ["start", "end", "description"] as const) {
      const value = region[name];
      Object.defineProperty(region, name, {
        get: () => {
          counter.looks += 1;
          return value;
        },
      });
    }
  }
  return counter;
}

test("a look-up among 509 regions compares about as often as a logarithm says", (t) => {
  const most = (count: number): { guest: number; user: number } => {
    const table = new RegionTable();
    t.after(() => table.close());
    const regions = Array.from({ length: count }, (_, i) => makeRegion(i * 2 * PAGE, PAGE));
    table.replace(regions);
    const counter = countLooks(table.regions);
    const spans = new SpanList();
    const looksOf = (look: () => void): number => {
      counter.looks = 0;
      look();
      return counter.looks;
    };
    let [guest, user] = [0, 0];
    for (let i = 0; i < count; i += 1) {
      // Far from the one before, which may be remembered.
      const at = ((i * 257) % count) * 2 * PAGE;
      spans.clear();
      guest = Math.max(
        guest,
        looksOf(() => assert.equal(table.resolve(at, 0, 8, false, spans), Resolved.Ok)),
      );
      user = Math.max(
        user,
        looksOf(() => assert.ok(table.locate(BigInt(at) + 2n ** 40n, 8))),
      );
    }
    return { guest, user };
  };
  const one = most(1);
  const many = most(MAX_SLOTS);
  t.diagnostic(JSON.stringify({ one, many }));
  // Two comparisons for each of nine halvings.
  assert.ok(many.guest <= one.guest + 20, `${many.guest} looks by guest address`);
  assert.ok(many.user <= one.user + 10, `${many.user} looks by user address`);
});

/** Bytes of free huge pages, and of one of them. */
function hugePages(): { free: number; size: number } {
  const text = readFileSync("/proc/meminfo", "utf8");
  const value = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0);
  const size = value("Hugepagesize") * 1024;
  return { free: value("HugePages_Free") * size, size };
}

const huge = hugePages();
const skipHuge =
  huge.free < 4 * huge.size &&
  `this machine has no 4 huge pages free; as root: sysctl vm.nr_hugepages=8`;

for (const mmapOffset of [0, PAGE, 3 * PAGE + 64]) {
  test(
    `what was written is read with huge pages, from byte ${mmapOffset} of each file on`,
    { skip: skipHuge },
    async (t) => {
      const served = await serveDisk(t);
      await using client = await Client.connect(served.path, {
        deviceFeatures: BLOCK_DRIVER_FEATURES,
        memory: { size: 2 * huge.size, regions: 2, hugePages: true, mmapOffset },
      });
      const driver = await BlockDriver.start(client, { depth: 4 });
      const data = randomBytes(DISK_BYTES);
      await driver.write(0, data);
      assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
      assert.deepEqual(served.problems, []);
    },
  );
}

test("too few huge pages are an error that says what to do", async (t) => {
  const served = await serveDisk(t);
  await assert.rejects(
    Client.connect(served.path, { memory: { size: huge.free + 64 * GIB, hugePages: true } }),
    (error) => error instanceof EnvironmentError && /vm\.nr_hugepages/.test(error.message),
  );
});
