import { openSync } from "node:fs";
import { OwnedFd, sealsOf } from "../../../core/os/index.ts";
import { FrontendRequest, type MemoryRegion } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { PAGE, type SuiteMemory, type SuiteMemoryOptions } from "../kit/back-end/memory.ts";

const { SetMemTable } = FrontendRequest;
const NEEDS = { request: true } as const;
const TABLE = "VHOST_USER_SET_MEM_TABLE";
const REGION = "Memory region description";
/** Memory tables that replace each other. */
const TABLES = 50;
const ACCESS = "Memory access";
/** A user address that is also a guest address of the suite, so that the two can be confused. */
const CONFUSING_BASE = 0x1_4000_0000n;

/** Checks that a device in such memory serves a request and writes to no other bytes. */
async function works(t: CheckContext, options: SuiteMemoryOptions): Promise<void> {
  const { request, memory } = await t.bringUp(options);
  await request();
  t.expect("writes beside the buffers", memory.damage() ?? "none", "none");
}

/** Encodes a memory table with any number of regions. */
function tableBytes(count: number, regions: readonly MemoryRegion[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 + 32 * regions.length));
  view.setUint32(0, count, true);
  for (const [i, region] of regions.entries()) {
    const { guestAddress, size, userAddress, mmapOffset } = region;
    for (const [j, word] of [guestAddress, size, userAddress, mmapOffset].entries()) {
      view.setBigUint64(8 + 32 * i + 8 * j, word, true);
    }
  }
  return new Uint8Array(view.buffer);
}

/** Sends a memory table that must be refused and must do no harm. */
async function refused(
  t: CheckContext,
  what: string,
  memory: SuiteMemory,
  table: Uint8Array | { readonly regions: readonly MemoryRegion[] },
  { fds = memory.fds, served = "FAIL" as "FAIL" | "WARN" } = {},
): Promise<void> {
  t.closeSessions();
  const session = await t.negotiatedSession();
  const { ack, alive } = await session.attempt(SetMemTable, table, { fds });
  // ack/5 judges an acknowledgement of 0 before the end of the connection.
  if (alive) t.reject(what, { ack, alive }, { served });
  else t.observe("refusal");
  await t.survive(session, memory);
}

export const mem: readonly Check[] = [
  {
    id: "mem/1",
    title: "a device works with memory in one region",
    strength: "MUST",
    section: TABLE,
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    run: async (t) => works(t, {}),
  },
  {
    id: "mem/2",
    title: "a device works with ring and buffers spread over eight regions",
    strength: "MUST",
    section: "Multiple Memory regions description",
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    run: async (t) => works(t, { regions: 8, spread: true }),
  },
  {
    id: "mem/3",
    title: "a region begins at its mmap offset in the file",
    strength: "MUST",
    section: REGION,
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    run: async (t) => works(t, { offset: 2 << 20 }),
  },
  {
    id: "mem/5",
    title: "two regions may be parts of one file",
    strength: "MUST",
    section: REGION,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const memory = t.createMemory();
      const [region] = memory.table.regions as [MemoryRegion];
      const { guestAddress, size, userAddress, mmapOffset } = region;
      const half = size / 2n;
      const second = {
        guestAddress: guestAddress + half,
        size: half,
        userAddress: userAddress + half,
        mmapOffset: mmapOffset + half,
      };
      const [fd] = memory.fds as [SuiteMemory["fds"][number]];
      const regions = [{ ...region, size: half }, second];
      await session.set(SetMemTable, { regions }, [fd, fd]);
      const { request } = await t.bringUp({ session, memory });
      await request();
      memory.allocate(Number(half));
      await request();
    },
  },
  {
    id: "mem/6",
    title: "rings are addressed by user addresses, and buffers by guest addresses",
    strength: "MUST",
    section: ACCESS,
    observes: ["data"],
    needs: NEEDS,
    run: async (t) => works(t, { regions: 2, userBase: CONFUSING_BASE }),
  },
  {
    id: "mem/7",
    title: "guest addresses may be as high as 2^40",
    strength: "MUST",
    section: ACCESS,
    observes: ["data"],
    needs: NEEDS,
    run: async (t) => works(t, { guestBase: 2 ** 40 }),
  },
  {
    id: "mem/8",
    title: "user addresses may have their highest bit set",
    strength: "MUST",
    section: ACCESS,
    observes: ["data"],
    needs: NEEDS,
    run: async (t) => works(t, { userBase: 0xffff_8000_0000_0000n }),
  },
  {
    id: "mem/9",
    title: "regions may come in any order",
    strength: "MUST",
    section: ACCESS,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const memory = t.createMemory({ regions: 4, spread: true });
      const regions = memory.table.regions.toReversed();
      await session.set(SetMemTable, { regions }, memory.fds.toReversed());
      await (await t.bringUp({ session, memory })).request();
    },
  },
  {
    id: "mem/10",
    title: "a second memory table replaces the first",
    strength: "MUST",
    section: TABLE,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const first = t.createMemory();
      await t.share(session, first);
      await (await t.bringUp({ session })).request();
      t.expect("writes to the previous memory", first.damage() ?? "none", "none");
    },
  },
  {
    id: "mem/12",
    title: "a memory table with fewer descriptors than regions is refused",
    strength: "MUST",
    section: TABLE,
    observes: ["refusal"],
    hostile: true,
    async run(t) {
      const memory = t.createMemory({ regions: 2 });
      const fds = memory.fds.slice(0, 1);
      await refused(t, "two regions and one descriptor", memory, memory.table, { fds });
    },
  },
  {
    id: "mem/13",
    title: "a memory table with more descriptors than regions does no harm",
    strength: "SHOULD",
    section: TABLE,
    observes: ["service"],
    hostile: true,
    async run(t) {
      const memory = t.createMemory({ regions: 3 });
      const session = await t.negotiatedSession();
      const regions = memory.table.regions.slice(0, 1);
      const { ack } = await session.attempt(SetMemTable, { regions }, { fds: memory.fds });
      t.info(ack === 0n ? "accepted" : "refused");
      await t.survive(session, memory);
    },
  },
  {
    id: "mem/14",
    title: "a memory table with more regions than fit into a message is refused",
    strength: "ROBUSTNESS",
    section: TABLE,
    observes: ["refusal"],
    async run(t) {
      const memory = t.createMemory({ regions: 9, size: PAGE });
      const { regions } = memory.table;
      const fds = memory.fds.slice(0, 8);
      await refused(t, "nine regions", memory, tableBytes(9, regions), { fds });
      const many = tableBytes(0xffff_ffff, regions.slice(0, 8));
      await refused(t, "0xffffffff regions", memory, many, { fds });
    },
  },
  {
    id: "mem/15",
    title: "a memory table without regions does no harm",
    strength: "ROBUSTNESS",
    section: TABLE,
    observes: ["service"],
    async run(t) {
      const session = await t.negotiatedSession();
      const { ack } = await session.attempt(SetMemTable, tableBytes(0, []));
      t.info(ack === 0n ? "accepted" : "refused");
      await t.survive(session);
    },
  },
  {
    id: "mem/16",
    title: "a memory table shorter than its number of regions is refused",
    strength: "ROBUSTNESS",
    section: TABLE,
    observes: ["refusal"],
    async run(t) {
      const memory = t.createMemory({ regions: 8, size: PAGE });
      const short = tableBytes(8, memory.table.regions.slice(0, 1));
      await refused(t, "eight regions in a payload of one", memory, short);
    },
  },
  {
    id: "mem/17",
    title: "a region of size 0 does no harm",
    strength: "ROBUSTNESS",
    section: REGION,
    observes: ["service"],
    async run(t) {
      const memory = t.createMemory();
      const session = await t.negotiatedSession();
      const regions = memory.table.regions.map((region) => ({ ...region, size: 0n }));
      const { ack } = await session.attempt(SetMemTable, { regions }, { fds: memory.fds });
      t.info(ack === 0n ? "accepted" : "refused");
      await t.survive(session, memory);
    },
  },
  {
    id: "mem/18",
    title: "a region whose end is beyond 2^64 is refused",
    strength: "ROBUSTNESS",
    section: REGION,
    observes: ["refusal"],
    async run(t) {
      const memory = t.createMemory();
      const [region] = memory.table.regions as [MemoryRegion];
      const last = 2n ** 64n - BigInt(PAGE);
      for (const field of ["guestAddress", "userAddress", "mmapOffset"] as const) {
        const regions = [{ ...region, [field]: last }];
        await refused(
          t,
          `a region with ${field} 2^64 - 4096`,
          memory,
          { regions },
          { served: "WARN" },
        );
      }
    },
  },
  {
    id: "mem/19",
    title: "a buffer beyond the end of a region's file does not crash the target",
    strength: "ROBUSTNESS",
    section: REGION,
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const memory = t.createMemory();
      const session = await t.negotiatedSession();
      const regions = memory.table.regions.map((each) => ({ ...each, size: 2n * each.size }));
      const { ack, alive } = await session.attempt(SetMemTable, { regions }, { fds: memory.fds });
      if (!alive || (ack ?? 0n) !== 0n) return t.info("the region is refused");
      const { ring } = await t.bringUp({ session, memory });
      const { readable, writable } = t.kit.request(memory);
      const beyond = memory.content.length;
      const moved = (all: typeof readable): typeof readable =>
        all.map((each) => ({ ...each, address: each.address + beyond }));
      ring.push(moved(readable), moved(writable));
      await ring.completion(t.times.graceMs);
      await t.survive(session);
    },
  },
  {
    id: "mem/20",
    title: "a descriptor that cannot be mapped is refused as a region",
    strength: "ROBUSTNESS",
    section: REGION,
    observes: ["refusal"],
    async run(t) {
      const memory = t.createMemory();
      const [whole] = memory.fds as [OwnedFd];
      for (const [what, path, flags] of [
        ["/dev/null", "/dev/null", "r+"],
        ["a read-only file", `/proc/self/fd/${whole.fd}`, "r"],
      ] as const) {
        const fds = [t.closing(new OwnedFd(openSync(path, flags)))];
        await refused(t, what, memory, memory.table, { fds });
      }
    },
  },
  {
    id: "mem/21",
    title: "regions whose guest addresses overlap do no harm",
    strength: "ROBUSTNESS",
    section: REGION,
    observes: ["service"],
    run: async (t) => overlapping(t, "guestAddress"),
  },
  {
    id: "mem/22",
    title: "regions whose user addresses overlap do no harm",
    strength: "ROBUSTNESS",
    section: REGION,
    observes: ["service"],
    run: async (t) => overlapping(t, "userAddress"),
  },
  {
    id: "mem/23",
    title: "memory whose size is sealed is accepted",
    strength: "SHOULD",
    section: REGION,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { memory, request } = await t.bringUp();
      const seals = memory.fds.map(({ fd }) => sealsOf(fd));
      t.info(`F_GET_SEALS: ${seals.join(", ")}`);
      await request();
    },
  },
  {
    id: "mem/25",
    title: "replaced memory tables leak neither descriptors nor shared mappings",
    strength: "SHOULD",
    section: TABLE,
    observes: ["figures"],
    needs: { process: true },
    async run(t) {
      const session = await t.negotiatedSession();
      const replace = async (): Promise<void> => {
        const memory = t.createMemory();
        await t.share(session, memory);
        memory.close();
      };
      await replace();
      await session.alive();
      const [descriptors, mappings] = [await t.descriptors(), await t.mappings()];
      for (let i = 0; i < TABLES; i += 1) await replace();
      await session.alive();
      await t.expectDescriptors(descriptors);
      await t.expectMappings(mappings);
    },
  },
];

/** Sends two regions, the second of which begins in the middle of the first. */
async function overlapping(t: CheckContext, field: "guestAddress" | "userAddress"): Promise<void> {
  const memory = t.createMemory({ regions: 2 });
  const [first, second] = memory.table.regions as [MemoryRegion, MemoryRegion];
  const regions = [first, { ...second, [field]: first[field] + first.size / 2n }];
  const session = await t.negotiatedSession();
  const { ack } = await session.attempt(SetMemTable, { regions }, { fds: memory.fds });
  t.info(ack === 0n ? "accepted" : "refused");
  await t.survive(session, memory);
}
