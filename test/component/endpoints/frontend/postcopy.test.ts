import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { GuestMemory } from "../../../../src/core/memory/index.ts";
import {
  FrontendRequest,
  type MemoryTable,
  ProtocolFeature,
} from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { RAW_PROTOCOL_FEATURES, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { connectDisk, type Served, serveDisk, survives } from "../../support/session.ts";

guardLeaks();

const { Pagefault, ConfigureMemSlots } = ProtocolFeature;
const FEATURES = (RAW_PROTOCOL_FEATURES & ~ConfigureMemSlots) | Pagefault;
const { PostcopyAdvise, PostcopyListen, PostcopyEnd, SetMemTable } = FrontendRequest;

async function serve(t: TestContext): Promise<Served> {
  return serveDisk(t, (options) => ({ ...options, optional: Pagefault }));
}

/** Whether this machine lets us have such descriptors. */
const mayUserfault = process.getuid?.() === 0;
const skip = mayUserfault ? false : "userfaultfd(2) for accesses of the kernel needs root";

async function connect(t: TestContext): Promise<Client> {
  const served = await serve(t);
  return connectDisk(t, served, { protocolFeatures: Pagefault });
}

test("it is offered if asked for only, not together with memory slots, and not with workers", async (t) => {
  const plain = await connectDisk(t, await serveDisk(t), { protocolFeatures: Pagefault });
  assert.equal(plain.protocolFeatures & (Pagefault | ConfigureMemSlots), ConfigureMemSlots);
  const asked = await connect(t);
  assert.equal(asked.protocolFeatures & (Pagefault | ConfigureMemSlots), Pagefault);
  const rings = { workers: true };
  const inWorkers = await serveDisk(t, (options) => ({ ...options, rings, optional: Pagefault }));
  const client = await connectDisk(t, inWorkers, { protocolFeatures: Pagefault });
  assert.equal(client.protocolFeatures & (Pagefault | ConfigureMemSlots), ConfigureMemSlots);
});

test("ADVISE is answered with a userfault descriptor, and may be repeated", { skip }, async (t) => {
  const client = await connect(t);
  for (let i = 0; i < 3; i += 1) {
    const { fd } = await client.requests.postcopyAdvise();
    assert.ok(fd);
    assert.equal(readlinkSync(`/proc/self/fd/${fd.fd}`), "anon_inode:[userfaultfd]");
    fd.close();
  }
  assert.equal(await client.requests.postcopyEnd(), 0n);
});

test(
  "a table after LISTEN is answered with where the regions are, and served once confirmed",
  { skip },
  async (t) => {
    const served = await serve(t);
    const memory = new GuestMemory({ size: 1 << 20, regions: 2, mmapOffset: 8192 });
    t.after(() => memory.close());
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path, FEATURES);
      await raw.ask(PostcopyAdvise);
      assert.equal(await raw.ask(PostcopyListen), 0n);
      const [session] = served.server.sessions;
      const table: MemoryTable = { regions: memory.regions.map(({ description }) => description) };
      await raw.send(SetMemTable, table, { fds: memory.regions.map(({ fd }) => fd) });
      const reply = await raw.next();
      assert.ok(typeof reply === "object");
      assert.equal(reply.header.request, SetMemTable);
      assert.equal(reply.header.flags, 5);
      const view = Buffer.from(reply.payload);
      assert.equal(view.length, 8 + 2 * 32);
      table.regions.forEach((region, i) => {
        assert.equal(view.readBigUInt64LE(8 + i * 32), region.guestAddress);
        assert.equal(view.readBigUInt64LE(8 + i * 32 + 8), region.size);
        const address = view.readBigUInt64LE(8 + i * 32 + 16);
        assert.ok(address > 0x1000n && address % 4096n === 0n && address !== region.userAddress);
      });
      assert.equal(session?.memory.regions.length, 0);
      // As QEMU confirms: a number instead of the table, and no descriptors.
      await raw.send(SetMemTable, new Uint8Array(8));
      assert.ok(await raw.alive());
      assert.equal(session?.memory.regions.length, 2);
      assert.equal(await raw.ask(PostcopyEnd), 0n);
      raw.close();
    });
  },
);

test(
  "hostile: the steps in another order, tables that do not fit, an end in the middle",
  { skip },
  async (t) => {
    const served = await serve(t);
    const memory = new GuestMemory({ size: 1 << 20 });
    t.after(() => memory.close());
    const [region] = memory.regions;
    assert.ok(region);
    const table: MemoryTable = { regions: [region.description] };
    const fds = [region.fd];
    const on = async (work: (raw: RawFrontend) => Promise<void>): Promise<void> =>
      survives(served, async () => {
        const raw = await RawFrontend.negotiated(served.path, FEATURES);
        await work(raw);
        raw.close();
      });
    await on(async (raw) => assert.equal(await raw.ask(PostcopyListen), 1n));
    await on(async (raw) => assert.equal(await raw.ask(PostcopyEnd), "closed"));
    await on(async (raw) => {
      await raw.send(SetMemTable, table, { fds });
      await raw.ask(PostcopyAdvise);
      assert.equal(await raw.ask(PostcopyListen), 1n);
      assert.ok(await raw.alive());
    });
    for (const steps of [1, 2, 3]) {
      await on(async (raw) => {
        await raw.ask(PostcopyAdvise);
        if (steps > 1) await raw.ask(PostcopyListen);
        if (steps > 2) await raw.send(SetMemTable, table, { fds });
      });
    }
    await on(async (raw) => {
      await raw.ask(PostcopyAdvise);
      assert.equal(await raw.ask(PostcopyListen), 0n);
      assert.equal(await raw.ask(PostcopyListen), 1n);
      await raw.send(SetMemTable, table);
      assert.equal(await raw.alive(), false);
    });
    await on(async (raw) => {
      await raw.ask(PostcopyAdvise);
      assert.equal(await raw.ask(PostcopyListen), 0n);
      await raw.send(SetMemTable, table, { fds });
      // Another table instead of the confirmation: it is one as before a postcopy.
      await raw.send(SetMemTable, table, { fds });
      assert.ok(await raw.alive());
    });
  },
);

test("the requests are refused without the feature, and with memory slots", async (t) => {
  const served = await serve(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(
      served.path,
      RAW_PROTOCOL_FEATURES & ~ConfigureMemSlots,
    );
    assert.equal(await raw.ask(PostcopyListen), 1n);
    raw.close();
  });
  const client = await connectDisk(t, await serveDisk(t));
  await assert.rejects(client.requests.postcopyAdvise(), /PAGEFAULT; that was not negotiated/);
});
