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

/** The buffer of a request that tells most: one that is written to, where there is one. */
function bufferOf({ writable, readable }: KitRequest): GuestBuffer {
  const [buffer] = [...writable, ...readable];
  if (buffer === undefined) throw new TypeError("a request without buffers");
  return buffer;
}

/** The buffer that a request has written, of more bytes than that. */
function writtenBuffer(t: CheckContext, { writable }: KitRequest, bytes = 0): GuestBuffer {
  const found = writable.find((buffer) => buffer.bytes.length > bytes);
  return (
    found ??
    t.skip(`a ${t.kit.kind.name} request has no more than ${counted(bytes, "byte")} written`)
  );
}

const isPoison = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === POISON);

/** Takes pages back, which must be accepted. */
async function withdraw(t: CheckContext, iommu: SuiteIommu, ...pages: readonly GuestBuffer[]) {
  for (const page of pages) t.expect("the invalidation", await iommu.invalidate(page), 0n);
}

/** Has a request served that lies in memory already. */
async function again(ring: Ring, request: KitRequest): Promise<void> {
  ring.push(request.readable, request.writable);
  await ring.expectCompletion("a request");
}

/** What rings do about translations. */
export const iotlb: readonly Check[] = [
  {
    id: "iotlb/2",
    title: "a ring that starts asks where its parts lie, by I/O virtual address",
    strength: "MUST",
    section: SUPPORT,
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
    title: "with its misses answered a ring is served",
    strength: "MUST",
    section: SUPPORT,
    needs: NEEDS,
    async run(t) {
      const { request, iommu } = await upBehindIommu(t);
      for (let i = 0; i < 3; i += 1) await request();
      t.info(counted(iommu.asked.length, "miss", "misses"));
    },
  },
  {
    id: "iotlb/5",
    title: "what may only be read is not written to",
    strength: "MUST",
    section: MESSAGE,
    needs: NEEDS,
    async run(t) {
      const { ring, request, session, iommu, memory } = await upBehindIommu(t);
      await request();
      const refused = t.kit.request(memory);
      const page = writtenBuffer(t, refused);
      iommu.map(page, { userAddress: page.userAddress, permissions: IotlbPermission.Read });
      ring.push(refused.readable, refused.writable);
      // It asks again, or reports it, or gives the ring up.
      const reported = (): boolean => iommu.about(page).length > 1 || session.closed;
      await soon(() => reported() || !isPoison(page.bytes) || undefined, t.times.callMs);
      t.expect("the page is untouched", isPoison(page.bytes), true);
    },
  },
  {
    id: "iotlb/6",
    title: "once an invalidation is acknowledged only the new translation is used",
    strength: "MUST",
    section: MESSAGE,
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
      t.expect("the page of before is untouched", isPoison(before.bytes), true);
      t.expect("the new page is written to", !isPoison(after.bytes), true);
    },
  },
  {
    id: "iotlb/7",
    title: "a ring whose own pages were taken back rests until they are given again",
    strength: "MUST",
    section: MESSAGE,
    needs: NEEDS,
    async run(t) {
      const { ring, iommu, memory } = await upBehindIommu(t);
      // Its own buffers stay known.
      const request = t.kit.request(memory);
      await again(ring, request);
      const parts = partsOf(ring).map(([, part]) => part);
      for (const part of parts) iommu.map(part, { userAddress: undefined });
      await withdraw(t, iommu, ...parts);
      const asked = iommu.asked.length;
      ring.push(request.readable, request.writable);
      await soon(() => iommu.asked.length > asked || undefined, t.times.callMs / 4);
      const done = await ring.completion(1);
      t.expectThat("a request meanwhile", done === undefined, "not served", "served");
      for (const part of parts) iommu.restore(part);
      for (const { address } of parts) t.expect("the update", await iommu.update(address), 0n);
      ring.kick.signal();
      await ring.expectCompletion("the request, once the pages are back");
    },
  },
  {
    id: "iotlb/9",
    title: "a buffer may lie in pages that lead to different places",
    strength: "MUST",
    section: SUPPORT,
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
      t.expect("the data is where its pages lead", Buffer.compare(got, content), 0);
      t.expect("the page of before is untouched", isPoison(bytes.subarray(PAGE)), true);
    },
  },
  {
    id: "iotlb/10",
    title: "a miss that is never answered does not keep other requests waiting",
    strength: "ROBUSTNESS",
    section: SUPPORT,
    needs: NEEDS,
    async run(t) {
      const { session, memory } = await behindIommu(t);
      const channel = await BackChannel.give(t, session, async () => undefined);
      await t.bringUp({ session, memory });
      await soon(() => channel.count > 0 || undefined, t.times.callMs);
      t.expect("the session goes on", await session.alive(), true);
    },
  },
];
