import { counted } from "../../../../core/base/index.ts";
import { VirtioFeature } from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import type { Effect, KitRequest } from "./kit.ts";
import type { SuiteMemory } from "./memory.ts";
import { reliableRings } from "./queue-count.ts";
import type { Ring } from "./ring.ts";

const ROUNDS = 150;
/** Requests that are outstanding at the same time. */
const AT_ONCE = 16;
/** Most bytes that the requests of mixed size need. */
const ROOM_BYTES = AT_ONCE * (20 << 10);
const MAX_RINGS = 4;

/**
 * Runs requests on some rings, in any order; each must complete without an error.
 *
 * @throws {CaseFailure}
 */
async function serveAll(
  t: CheckContext,
  rings: readonly Ring[],
  requests: readonly KitRequest[],
): Promise<void> {
  const out = new Map<Ring, Map<number, KitRequest>>(rings.map((ring) => [ring, new Map()]));
  for (const request of requests) {
    const ring = rings[Math.floor(t.random() * rings.length)];
    if (ring) out.get(ring)?.set(ring.push(request.readable, request.writable), request);
  }
  for (const [ring, waiting] of out) {
    for (let left = waiting.size; left > 0; left -= 1) {
      const { token, written } = await ring.expectCompletion(`one of ${counted(left, "request")}`);
      const wrong = waiting.get(token)?.wrong(written);
      t.expect(`the answer to chain ${token}`, wrong ?? "correct", "correct");
    }
  }
}

/**
 * Requests of mixed sizes, many at a time.
 *
 * @param virtio to acknowledge
 * @throws {CaseFailure}
 */
export async function mixedSizes(t: CheckContext, virtio: bigint): Promise<void> {
  const { ring, memory } = await t.bringUp({ virtio, ring: { size: 4 * AT_ONCE }, size: 1 << 20 });
  for (let i = 0; i < ROUNDS / 10; i += 1) {
    const release = memory.mark();
    const requests = Array.from({ length: AT_ONCE }, () =>
      t.kit.request(memory, 1 + Math.floor(t.random() * 4)),
    );
    await serveAll(t, [ring], requests);
    release();
  }
}

/** A load on all rings that the device's requests can go to; what can be read back is compared. */
export async function sustain(t: CheckContext): Promise<void> {
  const { kit } = t;
  const virtio = t.usualVirtio | (VirtioFeature.EventIdx & t.facts.virtio);
  const device = await t.bringUp({ virtio, ring: { size: 4 * AT_ONCE }, size: 4 * ROOM_BYTES });
  const rings = [device.ring];
  for (const index of reliableRings(t).slice(0, MAX_RINGS)) {
    if (device.rings.has(index)) continue;
    const ring = t.ring(device.session, device.memory, index, { size: 4 * AT_ONCE });
    await ring.start();
    if ((device.session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) await ring.enable();
    // A device may serve fewer rings than it reports (DPDK reports its library's maximum).
    const { readable, writable } = kit.request(device.memory);
    ring.push(readable, writable);
    if ((await ring.completion(t.times.callMs / 4)) !== undefined) rings.push(ring);
  }
  if (kit.effect !== undefined && (t.facts.virtio & (kit.effect.readOnly ?? 0n)) === 0n) {
    await writeAndCompare(t, kit.effect, rings, device.memory);
    return;
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const release = device.memory.mark();
    await serveAll(
      t,
      rings,
      Array.from({ length: AT_ONCE }, () => kit.request(device.memory)),
    );
    release();
  }
}

/** Writes random bytes to several places, reads them back, and restores the previous data. */
async function writeAndCompare(
  t: CheckContext,
  effect: Effect,
  rings: readonly Ring[],
  memory: SuiteMemory,
): Promise<void> {
  const release = memory.mark();
  const look = async (): Promise<Uint8Array[]> => {
    const reads = Array.from({ length: AT_ONCE }, (_, place) => effect.read(memory, place));
    await serveAll(t, rings, reads);
    return reads.map(({ data }) => data.bytes.slice());
  };
  const put = async (content: readonly Uint8Array[]): Promise<void> =>
    serveAll(
      t,
      rings,
      content.map((bytes, place) => effect.write(memory, bytes, place)),
    );
  const before = await look();
  release();
  try {
    for (let round = 0; round < ROUNDS / 2; round += 1) {
      const content = before.map((bytes) => bytes.map(() => t.random() * 256));
      await put(content);
      const read = await look();
      const wrong = read.findIndex((bytes, i) => Buffer.compare(bytes, content[i] ?? bytes) !== 0);
      t.expect(`places that differ in round ${round}`, wrong < 0 ? "none" : wrong, "none");
      t.observe("data");
      release();
    }
  } finally {
    await put(before);
  }
}
