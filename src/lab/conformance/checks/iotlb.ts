import { counted } from "../../../core/base/index.ts";
import type { GuestBuffer } from "../../../core/memory/index.ts";
import {
  IotlbPermission,
  IotlbType,
  ProtocolFeature,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { BackChannel } from "../kit/back-end/back-channel.ts";
import { behindIommu, type SuiteIommu, upBehindIommu } from "../kit/back-end/iommu.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { PAGE, POISON } from "../kit/back-end/memory.ts";
import type { Ring } from "../kit/back-end/ring.ts";
import { soon } from "../kit/back-end/soon.ts";

const SUPPORT = "IOMMU support";
const MESSAGE = "VHOST_USER_IOTLB_MSG";
const NEEDS = {
  virtio: VirtioFeature.AccessPlatform,
  protocol: ProtocolFeature.BackendReq | ProtocolFeature.ReplyAck,
  request: true,
} as const;

const partsOf = ({ queue }: Ring): readonly (readonly [string, GuestBuffer])[] =>
  Object.entries(queue.parts);

/** Returns a writable buffer of a request, or a readable one where none is writable. */
function bufferOf({ writable, readable }: KitRequest): GuestBuffer {
  const [buffer] = [...writable, ...readable];
  if (buffer === undefined) throw new TypeError("a request without buffers");
  return buffer;
}

/** Returns the writable buffer of a request with more than `bytes` bytes. */
function writtenBuffer(t: CheckContext, { writable }: KitRequest, bytes = 0): GuestBuffer {
  const found = writable.find((buffer) => buffer.bytes.length > bytes);
  return (
    found ??
    t.skip(`a ${t.kit.kind.name} request has no more than ${counted(bytes, "byte")} written`)
  );
}

const isPoison = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === POISON);

/** Invalidates pages, which must be acknowledged with 0. */
async function withdraw(t: CheckContext, iommu: SuiteIommu, ...pages: readonly GuestBuffer[]) {
  for (const page of pages) t.expect("the invalidation", await iommu.invalidate(page), 0n);
}

/** Makes a prepared request available, which must be completed. */
async function again(ring: Ring, request: KitRequest): Promise<void> {
  ring.push(request.readable, request.writable);
  await ring.expectCompletion("a request");
}

/** Checks of how rings use translations. */
export const iotlb: readonly Check[] = [
  {
    id: "iotlb/2",
    title: "a ring that starts reports a miss for each of its parts, by I/O virtual address",
    strength: "MUST",
    section: SUPPORT,
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const { ring, iommu, memory } = await upBehindIommu(t);
      const { readable, writable } = t.kit.request(memory);
      ring.push(readable, writable);
      const missing = (): readonly string[] =>
        partsOf(ring)
          .filter(([, part]) => !iommu.about(part).some(({ type }) => type === IotlbType.Miss))
          .map(([name]) => name);
      await soon(() => missing().length === 0 || undefined, t.times.callMs);
      t.expect("parts of the ring that no miss was about", missing(), []);
    },
  },
  {
    id: "iotlb/3",
    title: "a ring is served once its misses are answered",
    strength: "MUST",
    section: SUPPORT,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { request, iommu } = await upBehindIommu(t);
      for (let i = 0; i < 3; i += 1) await request();
      t.info(counted(iommu.asked.length, "miss", "misses"));
    },
  },
  {
    id: "iotlb/5",
    title: "a read-only page is not written to",
    strength: "MUST",
    section: MESSAGE,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request, session, iommu, memory } = await upBehindIommu(t);
      await request();
      const refused = t.kit.request(memory);
      const page = writtenBuffer(t, refused);
      iommu.map(page, { userAddress: page.userAddress, permissions: IotlbPermission.Read });
      ring.push(refused.readable, refused.writable);
      // The target sends another miss, reports the access, or stops the ring.
      const reported = (): boolean => iommu.about(page).length > 1 || session.closed;
      await soon(() => reported() || !isPoison(page.bytes) || undefined, t.times.callMs);
      t.expect("the page is untouched", isPoison(page.bytes), true);
    },
  },
  {
    id: "iotlb/6",
    title: "once an invalidation is acknowledged, only the new translation is used",
    strength: "MUST",
    section: MESSAGE,
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const { ring, iommu, memory } = await upBehindIommu(t);
      const request = t.kit.request(memory);
      const before = bufferOf(request);
      await again(ring, request);
      const after = memory.poisoned(PAGE);
      after.bytes.set(before.bytes);
      if (request.writable.includes(before)) {
        after.bytes.fill(POISON);
        before.bytes.fill(POISON);
      }
      const asked = iommu.about(before).length;
      iommu.map(before, { userAddress: after.userAddress });
      await withdraw(t, iommu, before);
      await again(ring, request);
      t.expectThat("misses", iommu.about(before).length > asked, "one about the page", "none");
      if (!request.writable.includes(before)) return;
      t.expect("the previous page is untouched", isPoison(before.bytes), true);
      t.expect("the new page is written to", !isPoison(after.bytes), true);
    },
  },
  {
    id: "iotlb/7",
    title: "a ring whose own pages were invalidated stops until they are mapped again",
    strength: "MUST",
    section: MESSAGE,
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const { ring, iommu, memory } = await upBehindIommu(t);
      // The translations of the buffers stay valid.
      const request = t.kit.request(memory);
      await again(ring, request);
      const parts = partsOf(ring).map(([, part]) => part);
      for (const part of parts) iommu.map(part, { userAddress: undefined });
      await withdraw(t, iommu, ...parts);
      const asked = iommu.asked.length;
      ring.push(request.readable, request.writable);
      await soon(() => iommu.asked.length > asked || undefined, t.times.callMs / 4);
      const done = await ring.completion(t.times.graceMs);
      t.expectThat("a request meanwhile", done === undefined, "not served", "served");
      for (const part of parts) iommu.restore(part);
      for (const { address } of parts) t.expect("the update", await iommu.update(address), 0n);
      ring.kick.signal();
      await ring.expectCompletion("the request, once the pages are back");
    },
  },
  {
    id: "iotlb/9",
    title: "a buffer may span pages that are mapped to different places",
    strength: "MUST",
    section: SUPPORT,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, iommu, memory } = await upBehindIommu(t);
      const request = t.kit.request(memory, 2);
      const buffer = writtenBuffer(t, request, PAGE);
      const { bytes } = buffer;
      await again(ring, request);
      const content = bytes.slice();
      const elsewhere = memory.poisoned(PAGE);
      bytes.fill(POISON);
      iommu.map(buffer, { userAddress: elsewhere.userAddress }, 1);
      await withdraw(t, iommu, buffer, { ...buffer, address: buffer.address + PAGE });
      await again(ring, request);
      const second = elsewhere.bytes.subarray(0, bytes.length - PAGE);
      const got = Buffer.concat([bytes.subarray(0, PAGE), second]);
      t.expectData("the data where its pages lead", got, content);
      t.expect("the previous page is untouched", isPoison(bytes.subarray(PAGE)), true);
    },
  },
  {
    id: "iotlb/10",
    title: "a miss that is never answered does not keep other requests waiting",
    strength: "ROBUSTNESS",
    section: SUPPORT,
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const { session, memory } = await behindIommu(t);
      const channel = await BackChannel.give(t, session, async () => undefined);
      await t.bringUp({ session, memory });
      await soon(() => channel.count > 0 || undefined, t.times.callMs);
      t.expect("the session stays open", await session.alive(), true);
    },
  },
];
