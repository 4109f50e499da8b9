import { counted } from "../../../core/base/index.ts";
import { VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { type DeviceByHand, bringUpByHand } from "../kit/back-end/hand-split.ts";
import { PreparedRequests } from "../kit/back-end/prepared-requests.ts";
import { mixedSizes, sustain } from "../kit/back-end/load.ts";
import { POISON } from "../kit/back-end/memory.ts";
import { cutFirst, cutInto, descriptorsOf, tableOf } from "../kit/back-end/descriptors.ts";

const NEEDS = { request: true } as const;
const WITH_INDIRECT = { request: true, virtio: VirtioFeature.IndirectDesc } as const;
const QUEUE_SIZE = 16;
/** Bytes of a block request's header; of other types, the beginning of the request. */
const HEADER_BYTES = 16;
const WRAP_REQUESTS = 70_000;
const WELL = "completed without an error";

const indirect = async (t: CheckContext): Promise<DeviceByHand> =>
  bringUpByHand(t, { virtio: t.usualVirtio | VirtioFeature.IndirectDesc });

/** A request with its first bytes in that many descriptors; undefined if no error. */
async function headerIn(t: CheckContext, count: number): Promise<string | undefined> {
  t.closeSessions();
  const { hand, memory } = await bringUpByHand(t, { ring: { size: 2 * QUEUE_SIZE } });
  const request = t.kit.request(memory);
  const lengths = Array.from({ length: count }, () => HEADER_BYTES / count);
  return hand.attempt(hand.chain(cutFirst(descriptorsOf(request), lengths)), request);
}

/** Returns the number of descriptors of the longest chain that ring and device take. */
async function longestChain(t: CheckContext, { session, ring }: DeviceByHand): Promise<number> {
  const most = await t.kit.maxDescriptors?.(session, t.facts.virtio);
  return Math.min(ring.size, most ?? ring.size);
}

/** Returns the numbers below `count` in a random order. */
function shuffled(t: CheckContext, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => ({ i, key: t.random() }));
  return numbers.toSorted((a, b) => a.key - b.key).map(({ i }) => i);
}

/** Returns which bytes of the writable part a device leaves unchanged, whatever their content. */
async function untouched(t: CheckContext) {
  const { hand, memory } = await bringUpByHand(t);
  const request = t.kit.request(memory);
  if (request.writable.length === 0)
    t.skip(`a ${t.kit.kind.name} request has nothing to be written`);
  const head = hand.chain(descriptorsOf(request));
  let left: boolean[] = [];
  let length = 0;
  for (const fill of [POISON, POISON ^ 0xff]) {
    for (const { bytes } of request.writable) bytes.fill(fill);
    hand.offer(head);
    ({ length } = await hand.expectUsed("a request"));
    const now = Buffer.concat(request.writable.map(({ bytes }) => bytes));
    left = Array.from(now, (byte, i) => byte === fill && (left[i] ?? true));
  }
  return { request, length, left };
}

export const split: readonly Check[] = [
  {
    id: "split/1",
    title: "a used element has the id of the chain's head, the length and the data",
    strength: "MUST",
    section: "VIRTIO 2.7",
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const { hand, memory } = await bringUpByHand(t);
      const request = t.kit.request(memory);
      await hand.expectServed("a request from descriptor 5 on", request, descriptorsOf(request), 5);
    },
  },
  {
    id: "split/2",
    title: "a full ring is served, each request once",
    strength: "MUST",
    section: "VIRTIO 2.7",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const device = await bringUpByHand(t);
      const prepared = new PreparedRequests(t, device);
      for (let i = 0; i < 4; i += 1) await prepared.serve();
      t.expect("used elements beyond those", device.hand.take() ?? "none", "none");
    },
  },
  {
    id: "split/3",
    title: "70,000 requests are served across the wrap of the indices",
    strength: "MUST",
    section: "VIRTIO 2.7",
    observes: ["data"],
    slow: 8,
    needs: NEEDS,
    async run(t) {
      const device = await bringUpByHand(t, { ring: { size: 64 } });
      const prepared = new PreparedRequests(t, device);
      for (let done = 0; done < WRAP_REQUESTS; done += prepared.heads.length)
        await prepared.serve();
      t.expect("used index", device.hand.used, device.hand.available);
    },
  },
  {
    id: "split/4",
    title: "a header may be split into descriptors of one byte each",
    strength: "MUST",
    section: "VIRTIO 2.7.4.1",
    observes: ["data"],
    needs: { ...NEEDS, virtio: VirtioFeature.Version1 },
    async run(t) {
      t.expect("a header in 2 descriptors", (await headerIn(t, 2)) ?? WELL, WELL);
      const wrong = await headerIn(t, HEADER_BYTES);
      if (wrong !== undefined) t.warn("a header in 16 descriptors", WELL, wrong);
    },
  },
  {
    id: "split/5",
    title: "data may use as many descriptors as the ring has",
    strength: "SHOULD",
    section: "VIRTIO 2.7.4.1",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const device = await bringUpByHand(t);
      const count = await longestChain(t, device);
      const request = t.kit.request(device.memory, count);
      const descriptors = cutInto(descriptorsOf(request), count);
      await device.hand.expectServed(
        `a chain of ${counted(descriptors.length, "descriptor")}`,
        request,
        descriptors,
      );
    },
  },
  {
    id: "split/8",
    title: "the descriptors of a chain may be in any order in the table",
    strength: "MUST",
    section: "VIRTIO 2.7.5",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { hand, memory } = await bringUpByHand(t);
      for (let i = 0; i < 8; i += 1) {
        const request = t.kit.request(memory, QUEUE_SIZE / 2);
        const numbers = shuffled(t, QUEUE_SIZE).slice(0, QUEUE_SIZE / 2);
        const descriptors = cutInto(descriptorsOf(request), numbers.length);
        await hand.expectServed(`descriptors ${numbers.join(", ")}`, request, descriptors, numbers);
      }
    },
  },
  {
    id: "split/9",
    title: "a head may be reused as soon as its chain is used",
    strength: "MUST",
    section: "VIRTIO 2.7.13.1",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const prepared = new PreparedRequests(t, await bringUpByHand(t), 1);
      for (let i = 0; i < 100; i += 1) await prepared.serve();
    },
  },
  {
    id: "split/10",
    title: "a chain may be in an indirect table, which may be as long as the ring",
    strength: "MUST",
    section: "VIRTIO 2.7.5.3",
    observes: ["data"],
    needs: WITH_INDIRECT,
    async run(t) {
      const device = await indirect(t);
      for (const count of [3, await longestChain(t, device)]) {
        const request = t.kit.request(device.memory, count);
        const table = tableOf(device.memory, cutInto(descriptorsOf(request), count));
        await device.hand.expectServed(`a table of ${count}`, request, [table]);
      }
    },
  },
  {
    id: "split/11",
    title: "indirect tables and chains of the ring itself may alternate",
    strength: "MUST",
    section: "VIRTIO 2.7.5.3",
    observes: ["data"],
    needs: WITH_INDIRECT,
    async run(t) {
      const { hand, memory } = await indirect(t);
      for (let i = 0; i < 16; i += 1) {
        const request = t.kit.request(memory);
        const descriptors = descriptorsOf(request);
        const shape = i % 2 === 0 ? [tableOf(memory, descriptors)] : descriptors;
        await hand.expectServed(`request ${i}`, request, shape, i % 4);
      }
    },
  },
  {
    id: "split/12",
    title: "an indirect table may be at any address, in a region of its own",
    strength: "SHOULD",
    section: "VIRTIO 2.7.5.3",
    observes: ["data"],
    needs: WITH_INDIRECT,
    async run(t) {
      const virtio = t.usualVirtio | VirtioFeature.IndirectDesc;
      const { hand, memory } = await bringUpByHand(t, { virtio, regions: 2 });
      const request = t.kit.request(memory);
      memory.allocate(8, 16, 1);
      const table = tableOf(memory, cutInto(descriptorsOf(request), 3), {
        alignment: 8,
        region: 1,
      });
      await hand.expectServed("a table at an address that is not a multiple of 16", request, [
        table,
      ]);
    },
  },
  {
    id: "split/14",
    title: "an indirect table that was not negotiated does no harm",
    strength: "ROBUSTNESS",
    section: "VIRTIO 2.7.5.3.1",
    observes: ["service"],
    needs: WITH_INDIRECT,
    async run(t) {
      const { hand, memory, session } = await bringUpByHand(t);
      const request = t.kit.request(memory);
      hand.offer(hand.chain([tableOf(memory, descriptorsOf(request))]));
      const seen = await hand.digested();
      t.info(
        typeof seen === "object"
          ? `served, ${counted(seen.length, "byte")}`
          : (seen ?? "not served"),
      );
      await t.survive(session, memory);
    },
  },
  {
    id: "split/15",
    title: "the WRITE flag on the descriptor of an indirect table is ignored",
    strength: "MUST",
    section: "VIRTIO 2.7.5.3.2",
    observes: ["data"],
    needs: WITH_INDIRECT,
    async run(t) {
      const { hand, memory } = await indirect(t);
      const request = t.kit.request(memory);
      const table = { ...tableOf(memory, descriptorsOf(request)), write: true };
      await hand.expectServed("a table with WRITE", request, [table]);
    },
  },
  {
    id: "split/16",
    title: "the used length is the number of bytes written from the start of the writable part",
    strength: "MUST",
    section: "VIRTIO 2.7.8.2",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { request, length, left } = await untouched(t);
      t.expectThat("used length", length <= left.length, `at most ${left.length}`, length);
      const hole = left.indexOf(true);
      t.expectThat("what was written", hole < 0 || hole >= length, counted(length, "byte"), hole);
      const wrong = request.wrong(length);
      if (wrong !== undefined) t.warn("used length", "all that was written", wrong);
    },
  },
  {
    id: "split/18",
    title: "chains are used in any order, each once",
    strength: "MUST",
    section: "VIRTIO 2.7.8",
    observes: ["data"],
    needs: NEEDS,
    run: async (t) => mixedSizes(t, t.usualVirtio),
  },
  {
    id: "split/20",
    title:
      "a device writes neither to descriptors nor to the available ring nor to readable buffers",
    strength: "MUST",
    section: "VIRTIO 2.7.5.1, 2.7.6",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      const requests = Array.from({ length: 4 }, () => t.kit.request(memory));
      const byToken = new Map(
        requests.map((each) => [ring.add(each.readable, each.writable), each] as const),
      );
      const parts = [...ring.queue.written, ...requests.flatMap(({ readable }) => readable)];
      const before = parts.map(({ bytes }) => bytes.slice());
      ring.kick.signal();
      for (const _ of requests) {
        const done = await ring.expectCompletion("a request");
        const request = byToken.get(done.token);
        if (request !== undefined) t.expectAnswer(request, done);
      }
      const changed = parts.findIndex(({ bytes }, i) => Buffer.compare(bytes, before[i] ?? bytes));
      t.expect(
        "parts that changed",
        ["none", "descriptors", "available ring"][changed + 1] ?? "a buffer",
        "none",
      );
    },
  },
  {
    id: "split/21",
    title: "the device may write to bytes beyond the used length (recorded, not judged)",
    strength: "-",
    section: "VIRTIO 2.7.8.2",
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const { length, left } = await untouched(t);
      const beyond = left.slice(length);
      const which = beyond.includes(false) ? "some are" : "none is";
      t.info(beyond.length === 0 ? "there were none" : which);
    },
  },
  {
    id: "split/22",
    title: "many chains may be made available by one update of the available index",
    strength: "MUST",
    section: "VIRTIO 2.7.13",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const prepared = new PreparedRequests(t, await bringUpByHand(t, { ring: { size: 128 } }), 32);
      for (let i = 0; i < 4; i += 1) await prepared.serve();
    },
  },
  {
    id: "split/24",
    title: "under load on all rings every byte arrives",
    strength: "MUST",
    section: "VIRTIO 2.7",
    observes: ["data"],
    slow: 4,
    tags: ["long"],
    needs: NEEDS,
    run: sustain,
  },
  {
    id: "split/25",
    title: "a chain may end with the descriptor of an indirect table",
    strength: "MUST",
    section: "VIRTIO 2.7.5.3.2",
    observes: ["data"],
    needs: WITH_INDIRECT,
    async run(t) {
      const { hand, memory } = await indirect(t);
      const request = t.kit.request(memory, 4);
      const [first, ...rest] = cutInto(descriptorsOf(request), 4);
      if (first === undefined) return;
      await hand.expectServed("a header, then a table", request, [first, tableOf(memory, rest)]);
    },
  },
];
