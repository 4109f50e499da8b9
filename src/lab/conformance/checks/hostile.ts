import { counted } from "../../../core/base/index.ts";
import { VirtioFeature } from "../../../core/protocol/index.ts";
import { DescriptorFlag } from "../../../core/virtqueue/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { HandSplit, type DeviceByHand, bringUpByHand } from "../kit/back-end/hand-split.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { PAGE, type SuiteMemory } from "../kit/back-end/memory.ts";
import { type RawDescriptor, writeIndirectTable } from "../../wire/index.ts";
import { descriptorsOf, tableOf } from "../kit/back-end/descriptors.ts";
import { reliableRings } from "../kit/back-end/queue-count.ts";
import type { Ring } from "../kit/back-end/ring.ts";
import type { Session } from "../kit/back-end/session.ts";

const { IndirectDesc } = VirtioFeature;
const { Next } = DescriptorFlag;
const NEEDS = { request: true } as const;
const WITH_INDIRECT = { virtio: IndirectDesc } as const;
/** A ring size at which the used ring is longer than a sector. */
const QUEUE_SIZE = 64;
const SECTOR_BYTES = 512;
const GIB = 2 ** 30;
/** A guest address between the regions of the suite. */
const HOLE = 0x1_3000_0000;
const LAST_PAGE = 0xffff_ffff_ffff_f000n;

/**
 * Makes an invalid ring available. The target must survive it and write to no other memory.
 *
 * @param lay breaks the ring, and returns the heads to make available
 */
async function attack(
  t: CheckContext,
  virtio: bigint,
  lay: (device: DeviceByHand) => number | readonly number[],
): Promise<void> {
  t.closeSessions();
  const device = await bringUpByHand(t, {
    virtio: t.usualVirtio | virtio,
    ring: { size: QUEUE_SIZE },
  });
  device.hand.offer(...[lay(device)].flat());
  await device.hand.digested();
  await t.survive(device.session, device.memory);
}

/** Returns a check that calls {@link attack} once for each of `lays`. */
function attacks(
  id: string,
  title: string,
  section: string,
  lays: readonly ((device: DeviceByHand, t: CheckContext) => number | readonly number[])[],
  { virtio = 0n }: { virtio?: bigint } = {},
): Check {
  return {
    id,
    title,
    strength: "ROBUSTNESS",
    section,
    observes: ["service"],
    needs: { ...NEEDS, virtio },
    async run(t) {
      for (const lay of lays) await attack(t, virtio, (device) => lay(device, t));
    },
  };
}

/** Returns the descriptors of a request with its largest buffer changed. */
function elsewhere(
  request: KitRequest,
  change: (descriptor: RawDescriptor) => RawDescriptor,
): RawDescriptor[] {
  const descriptors = descriptorsOf(request);
  const longest = Math.max(...descriptors.map(({ length }) => length));
  return descriptors.map((descriptor) =>
    descriptor.length === longest ? change(descriptor) : descriptor,
  );
}

/** Makes a request available whose largest buffer is unreachable: it must not succeed. */
async function unreachable(
  t: CheckContext,
  place: (descriptor: RawDescriptor, device: DeviceByHand) => RawDescriptor,
): Promise<void> {
  const device = await bringUpByHand(t);
  const request = t.kit.request(device.memory);
  device.hand.offer(
    device.hand.chain(elsewhere(request, (descriptor) => place(descriptor, device))),
  );
  const seen = await device.hand.digested();
  await t.survive(device.session, device.memory);
  // A readable buffer may be dropped; a writable one cannot have been filled.
  if (request.writable.length === 0 || typeof seen !== "object") return;
  const failed = request.wrong(seen.length) !== undefined || request.failed?.() === true;
  t.expectThat(
    "a request with an unreachable buffer",
    failed,
    "no success",
    "completed without an error",
  );
}

/** Returns a check that calls {@link unreachable}. */
function nowhere(
  id: string,
  title: string,
  place: (descriptor: RawDescriptor, device: DeviceByHand) => RawDescriptor,
): Check {
  const section = "Memory access";
  const run = async (t: CheckContext): Promise<void> => unreachable(t, place);
  const observes: Check["observes"] = ["service"];
  return { id, title, strength: "ROBUSTNESS", section, observes, needs: NEEDS, run };
}

/** Allocates the rest of the region, so that no guard precedes its end. */
function lastPage({ memory }: DeviceByHand): number {
  const [region] = memory.regions;
  if (region === undefined) throw new TypeError("memory without regions");
  const left = Number(region.description.size) - region.used;
  const rest = memory.allocate(left, 1);
  return rest.address + left - PAGE;
}

/** Returns the first readable buffer of a request. */
function readable({ memory }: DeviceByHand, t: CheckContext): RawDescriptor {
  const [descriptor] = descriptorsOf(t.kit.request(memory));
  if (descriptor === undefined) throw new TypeError("a request without buffers");
  return descriptor;
}

/** Makes an indirect table whose entries link to the given entries. */
function linked(device: DeviceByHand, t: CheckContext, ...next: readonly number[]): number {
  const descriptor = readable(device, t);
  const table = device.memory.allocate(16 * next.length);
  const links = next.map((to) => ({ ...descriptor, flags: Next, next: to }));
  device.hand.put(0, writeIndirectTable("split", table, links));
  return 0;
}

/** Writes descriptors of the ring that link to the given descriptors. */
function chained(device: DeviceByHand, t: CheckContext, ...next: readonly number[]): number {
  const descriptor = readable(device, t);
  device.hand.put(0, ...next.map((to) => ({ ...descriptor, flags: Next, next: to })));
  return 0;
}

export const hostile: readonly Check[] = [
  attacks("hostile/1", "a descriptor that links to itself does no harm", "VIRTIO 2.7.5.2", [
    (device, t) => chained(device, t, 0),
  ]),
  attacks("hostile/2", "descriptors that link to each other do no harm", "VIRTIO 2.7.5.2", [
    (device, t) => chained(device, t, 1, 0),
  ]),
  attacks(
    "hostile/3",
    "an indirect table with a loop does no harm",
    "VIRTIO 2.7.5.3",
    [(device, t) => linked(device, t, 0), (device, t) => linked(device, t, 1, 0)],
    WITH_INDIRECT,
  ),
  attacks("hostile/4", "a head beyond the ring does no harm", "VIRTIO 2.7.6", [
    ({ ring }) => ring.size,
    () => 0xffff,
  ]),
  attacks("hostile/5", "a descriptor that links beyond the table does no harm", "VIRTIO 2.7.5", [
    (device, t) => chained(device, t, device.ring.size),
    (device, t) => chained(device, t, 0xffff),
  ]),
  attacks(
    "hostile/6",
    "an indirect descriptor that links beyond its table does no harm",
    "VIRTIO 2.7.5.3",
    [(device, t) => linked(device, t, 1, 2), (device, t) => linked(device, t, 0xffff)],
    WITH_INDIRECT,
  ),
  attacks("hostile/7", "an available index that jumps does no harm", "VIRTIO 2.7.6", [
    ({ hand, ring }) => {
      hand.moveTo(ring.size + 1);
      return [];
    },
    ({ hand }) => {
      hand.moveTo(30_000);
      return [];
    },
  ]),
  attacks("hostile/8", "an available index that decreases does no harm", "VIRTIO 2.7.6.1", [
    ({ hand }) => {
      hand.moveTo(-1);
      return [];
    },
  ]),
  nowhere("hostile/9", "a buffer outside of shared memory is not served", (descriptor) => ({
    ...descriptor,
    address: HOLE,
  })),
  nowhere("hostile/10", "a buffer whose end is beyond 2^64 is not served", (descriptor) => ({
    ...descriptor,
    address: LAST_PAGE,
    length: 2 * PAGE,
  })),
  nowhere(
    "hostile/11",
    "a buffer that begins in shared memory and ends beyond it is not served",
    (descriptor, device) => ({
      ...descriptor,
      address: lastPage(device),
      length: 2 * PAGE,
    }),
  ),
  {
    id: "hostile/12",
    title: "a buffer of 4 GiB is not served, and no memory is allocated for it",
    strength: "ROBUSTNESS",
    section: "Memory access",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const resident = (): number => t.target.process?.figures()?.residentBytes ?? 0;
      const before = resident();
      await unreachable(t, (descriptor, device) => {
        lastPage(device);
        return { ...descriptor, length: 0xffff_ffff };
      });
      const grown = resident() - before;
      t.expectThat(
        "resident memory",
        grown < GIB,
        "less than 1 GiB more",
        `${counted(grown, "byte")} more`,
      );
    },
  },
  attacks("hostile/13", "a descriptor of length 0 does no harm", "VIRTIO 2.7.5", [
    (device, t) => {
      const descriptors = descriptorsOf(t.kit.request(device.memory));
      return device.hand.chain([{ ...readable(device, t), length: 0 }, ...descriptors]);
    },
    (device, t) => {
      const descriptors = descriptorsOf(t.kit.request(device.memory));
      return device.hand.chain([
        ...descriptors,
        { ...readable(device, t), length: 0, write: true },
      ]);
    },
    (device, t) => device.hand.chain([{ ...readable(device, t), length: 0 }]),
  ]),
  attacks("hostile/14", "writable descriptors before readable ones do no harm", "VIRTIO 2.7.4.2", [
    (device, t) => {
      const answer = { address: device.memory.poisoned(PAGE).address, length: PAGE, write: true };
      return device.hand.chain([answer, ...descriptorsOf(t.kit.request(device.memory))]);
    },
  ]),
  attacks(
    "hostile/16",
    "an indirect table whose size is not a multiple of 16 does no harm",
    "VIRTIO 2.7.5.3",
    [0, 8, 17, 0xffff_fff0].map((length) => (device, t) => {
      const table = tableOf(device.memory, descriptorsOf(t.kit.request(device.memory)));
      return device.hand.chain([{ ...table, length }]);
    }),
    WITH_INDIRECT,
  ),
  attacks(
    "hostile/17",
    "an indirect table in an indirect table does no harm",
    "VIRTIO 2.7.5.3.1",
    [
      ({ hand, memory }, t) => {
        const inner = tableOf(memory, descriptorsOf(t.kit.request(memory)));
        return hand.chain([tableOf(memory, [inner])]);
      },
    ],
    WITH_INDIRECT,
  ),
  attacks(
    "hostile/18",
    "an indirect descriptor with the NEXT flag does no harm",
    "VIRTIO 2.7.5.3.1",
    [
      (device, t) => {
        const table = tableOf(device.memory, descriptorsOf(t.kit.request(device.memory)));
        return device.hand.chain([table, readable(device, t)]);
      },
    ],
    WITH_INDIRECT,
  ),
  attacks("hostile/19", "undefined descriptor flags do no harm", "VIRTIO 2.7.5", [
    ({ hand, memory }, t) =>
      hand.chain(
        descriptorsOf(t.kit.request(memory)).map((descriptor) => ({
          ...descriptor,
          flags: 0xfff8,
        })),
      ),
  ]),
  attacks("hostile/24", "a head that is made available twice does no harm", "VIRTIO 2.7.13.1", [
    ({ hand, memory }, t) => {
      const head = hand.chain(descriptorsOf(t.kit.request(memory)));
      return [head, head];
    },
  ]),
  attacks("hostile/25", "a buffer that overlaps the used ring does no harm", "VIRTIO 2.7.8", [
    ({ hand, memory, ring }, t) => {
      const { address } = ring.queue.parts.device;
      const over = (descriptor: RawDescriptor): RawDescriptor => ({
        ...descriptor,
        address,
        length: SECTOR_BYTES,
      });
      return hand.chain(elsewhere(t.kit.request(memory), over));
    },
  ]),
  {
    id: "hostile/26",
    title: "a broken ring does not disturb other rings and later sessions",
    strength: "SHOULD",
    section: "VIRTIO 2.7.6",
    observes: ["data"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const { session, memory, rings, ring } = await t.bringUp();
      const second =
        [...rings.values()].find((each) => each !== ring) ?? (await another(t, session, memory));
      if (second !== undefined) {
        const [broken, good] = second.index < ring.index ? [second, ring] : [ring, second];
        const hand = new HandSplit(t, session, broken);
        hand.offer(broken.size);
        await hand.digested();
        if (!session.closed && (await session.alive())) await t.request(good, memory);
      }
      await t.newSession();
    },
  },
  {
    id: "hostile/27",
    title: "the target may signal the error descriptor of a broken ring (recorded, not judged)",
    strength: "-",
    section: "VHOST_USER_SET_VRING_ERR",
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const { hand, ring } = await bringUpByHand(t);
      hand.offer(ring.size);
      const seen = await hand.digested();
      t.info(
        typeof seen === "object"
          ? "the error descriptor is signalled"
          : (seen ?? "the error descriptor is not signalled"),
      );
    },
  },
];

/** Returns a second request ring, where the device has one. */
async function another(
  t: CheckContext,
  session: Session,
  memory: SuiteMemory,
): Promise<Ring | undefined> {
  const index = reliableRings(t).find((each) => each !== t.kit.ring);
  if (index === undefined) return undefined;
  const ring = t.ring(session, memory, index);
  await ring.start();
  if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) await ring.enable();
  return ring;
}
