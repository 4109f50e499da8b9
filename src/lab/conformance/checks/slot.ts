import { counted } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  type MemoryRegion,
  ProtocolFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { RunningDevice, BringUpOptions } from "../kit/back-end/running-device.ts";
import type { SuiteRegion } from "../kit/back-end/memory.ts";
import type { Session } from "../kit/back-end/session.ts";

const { AddMemReg, GetMaxMemSlots, RemMemReg, SetMemTable } = FrontendRequest;
const SLOTS = ProtocolFeature.ConfigureMemSlots;
const NEEDS = { protocol: SLOTS } as const;
const WORKING = { protocol: SLOTS, request: true } as const;
const ADD = "VHOST_USER_ADD_MEM_REG";
const REM = "VHOST_USER_REM_MEM_REG";
/** An mmap offset beyond what any file system supports. */
const FAR = 0xdea_d000n;

const negotiated = async (t: CheckContext): Promise<Session> =>
  t.negotiatedSession(undefined, ProtocolFeature.ReplyAck | SLOTS);

async function add(session: Session, { description, fd }: SuiteRegion): Promise<void> {
  await session.set(AddMemReg, { region: description }, [fd]);
}

async function remove(session: Session, { description }: SuiteRegion): Promise<void> {
  await session.set(RemMemReg, { region: description });
}

/** Brings a device up whose memory is added region by region. */
async function upBySlots(
  t: CheckContext,
  regions: number,
  options: BringUpOptions = {},
): Promise<RunningDevice> {
  const session = await negotiated(t);
  const memory = t.createMemory({ ...options, regions });
  for (const each of memory.regions) await add(session, each);
  return t.bringUp({ session, memory });
}

/** Brings a device up that serves requests whose buffers are in a second region. */
async function upInSecond(t: CheckContext): Promise<RunningDevice> {
  const device = await upBySlots(t, 2);
  const [first] = device.memory.regions as [SuiteRegion];
  // The first region is full: further buffers are in the second one.
  first.used = Number(first.description.size);
  await device.request();
  return device;
}

/** Makes a request available whose buffers are in a removed region, which must not be written to. */
async function isGone(t: CheckContext, { ring, memory, session }: RunningDevice): Promise<void> {
  const [, second] = memory.regions as [SuiteRegion, SuiteRegion];
  const { readable, writable } = t.kit.request(memory);
  const before = second.window.bytes.slice();
  ring.push(readable, writable);
  // A completion is not a failure: a network device may drop a frame that it cannot read.
  await ring.completion(t.times.graceMs);
  if (!session.closed) await t.survive(session);
  const touched = Buffer.compare(before, second.window.bytes) !== 0;
  t.expect("a write to the removed region", touched, false);
}

/** Adds a region with a wrong number of descriptors. */
async function wrongDescriptors(t: CheckContext, count: number): Promise<void> {
  t.closeSessions();
  const memory = t.createMemory({ regions: 2 });
  const session = await negotiated(t);
  const fds = memory.fds.slice(0, count);
  const [region] = memory.table.regions;
  t.reject(counted(count, "descriptor"), await session.attempt(AddMemReg, { region }, { fds }));
  await t.survive(session, memory);
}

export const slot: readonly Check[] = [
  {
    id: "slot/1",
    title: "GET_MAX_MEM_SLOTS returns the same positive number each time",
    strength: "MUST",
    section: "VHOST_USER_GET_MAX_MEM_SLOTS",
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await negotiated(t);
      const count = await session.call(GetMaxMemSlots);
      t.expectThat("slots", count >= 1n, "at least 1", count);
      t.expect("slots, asked again", await session.call(GetMaxMemSlots), count);
      t.info(counted(count, "slot"));
    },
  },
  {
    id: "slot/2",
    title: "a later session has no fewer slots",
    strength: "SHOULD",
    section: "VHOST_USER_GET_MAX_MEM_SLOTS",
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const count = await (await negotiated(t)).call(GetMaxMemSlots);
      t.closeSessions();
      t.expect("slots", await (await negotiated(t)).call(GetMaxMemSlots), count);
    },
  },
  {
    id: "slot/3",
    title: "regions that are added one by one can be used",
    strength: "MUST",
    section: ADD,
    observes: ["data"],
    needs: WORKING,
    async run(t) {
      const { request } = await upBySlots(t, 4, { spread: true });
      await request();
    },
  },
  {
    id: "slot/4",
    title: "as many regions can be added as there are slots, up to 64",
    strength: "MUST",
    section: ADD,
    observes: ["data"],
    needs: WORKING,
    async run(t) {
      const session = await negotiated(t);
      const slots = Number(await session.call(GetMaxMemSlots));
      const memory = t.createMemory({ regions: Math.min(slots, 64), size: 1 << 16 });
      for (const each of memory.regions) await add(session, each);
      for (const each of memory.regions.slice(0, -1)) each.used = 1 << 16;
      await (await t.bringUp({ session, memory })).request();
    },
  },
  {
    id: "slot/6",
    title: "a region is removed by its addresses and size, whatever its offset",
    strength: "MUST",
    section: REM,
    observes: ["data"],
    needs: WORKING,
    async run(t) {
      const device = await upInSecond(t);
      const [, second] = device.memory.regions as [SuiteRegion, SuiteRegion];
      const region = { ...second.description, mmapOffset: FAR };
      await device.session.set(RemMemReg, { region });
      await isGone(t, device);
    },
  },
  {
    id: "slot/7",
    title: "a removed region is no longer accessed",
    strength: "MUST",
    section: REM,
    observes: ["data"],
    needs: WORKING,
    async run(t) {
      const device = await upInSecond(t);
      await remove(device.session, device.memory.regions[1] as SuiteRegion);
      await isGone(t, device);
    },
  },
  {
    id: "slot/8",
    title: "a region that was not added cannot be removed",
    strength: "SHOULD",
    section: REM,
    observes: ["refusal"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const session = await negotiated(t);
      const [each] = t.createMemory().regions as [SuiteRegion];
      await add(session, each);
      const region = { ...each.description, size: each.description.size / 2n };
      t.reject("half of a region", await session.attempt(RemMemReg, { region }), {
        served: "WARN",
      });
    },
  },
  {
    id: "slot/10",
    title: "a region without a descriptor, or with two, is refused",
    strength: "MUST",
    section: ADD,
    observes: ["refusal"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      await wrongDescriptors(t, 0);
      await wrongDescriptors(t, 2);
    },
  },
  {
    id: "slot/11",
    title: "a region that was removed can be added again",
    strength: "MUST",
    section: ADD,
    observes: ["data"],
    needs: WORKING,
    async run(t) {
      const session = await negotiated(t);
      const memory = t.createMemory();
      const [only] = memory.regions as [SuiteRegion];
      await add(session, only);
      await remove(session, only);
      await add(session, only);
      await (await t.bringUp({ session, memory })).request();
    },
  },
  {
    id: "slot/12",
    title: "a region that is added while rings run can be used at once",
    strength: "MUST",
    section: "Ring states",
    observes: ["data"],
    needs: WORKING,
    async run(t) {
      const session = await negotiated(t);
      const memory = t.createMemory({ regions: 2 });
      const [first, second] = memory.regions as [SuiteRegion, SuiteRegion];
      await add(session, first);
      const { request } = await t.bringUp({ session, memory });
      await request();
      await add(session, second);
      first.used = Number(first.description.size);
      await request();
    },
  },
  {
    id: "slot/13",
    title: "a region cannot be added twice",
    strength: "SHOULD",
    section: "Memory region description",
    observes: ["reply"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const session = await negotiated(t);
      const [each] = t.createMemory().regions as [SuiteRegion];
      await add(session, each);
      const region: MemoryRegion = each.description;
      const twice = await session.attempt(AddMemReg, { region }, { fds: [each.fd] });
      const served = t.facts.kit?.repeatsRegions ? "INFO" : "WARN";
      t.reject("the same region twice", twice, { served });
    },
  },
  {
    id: "slot/14",
    title: "SET_MEM_TABLE after ADD_MEM_REG does no harm",
    strength: "ROBUSTNESS",
    section: "VHOST_USER_SET_MEM_TABLE",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const session = await negotiated(t);
      await add(session, t.createMemory().regions[0] as SuiteRegion);
      const memory = t.createMemory();
      const { ack } = await session.attempt(SetMemTable, memory.table, { fds: memory.fds });
      t.info(ack === 0n ? "accepted" : "refused");
      await t.survive(session, memory);
    },
  },
];
