import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import { HandSplit } from "./hand-split.ts";
import { craftInflight, type InflightNotes } from "./inflight.ts";
import { PreparedRequests } from "./prepared-requests.ts";
import type { RingOptions } from "./ring.ts";

const { InflightShmfd, Mq, ReplyAck, Config } = ProtocolFeature;
/** Protocol features of a session with an in-flight region. */
export const PROTOCOL = InflightShmfd | Mq | ReplyAck | Config;
/** Entries of the rings. */
export const QUEUE_SIZE = 32;

/** The state of a ring before its target begins: what {@link resumed} lets a check prepare. */
export interface LeftBehind {
  readonly notes: InflightNotes;
  /** The heads of the requests, in the order in which they are available. */
  readonly heads: readonly number[];
  readonly hand: HandSplit;
}

/** Brings a device up with a fresh in-flight region, which the check made. */
export async function tracked(t: CheckContext, options: RingOptions = {}) {
  const inflight = craftInflight(t, t.kit.rings.length, QUEUE_SIZE, t.kit.ring);
  const device = await t.bringUp({
    protocol: PROTOCOL,
    inflight,
    ring: { size: QUEUE_SIZE, ...options },
  });
  return { ...device, inflight, notes: inflight.notes };
}

/**
 * Prepares a ring as a killed back-end would leave it: `count` requests are available, and
 * `prepare` records their state and returns how many of them are used.
 *
 * @param from the index of the first of them
 */
export async function resumed(
  t: CheckContext,
  count: number,
  prepare: (left: LeftBehind) => number,
  from = 0,
) {
  t.closeSessions();
  const session = await t.negotiatedSession(undefined, PROTOCOL);
  const memory = t.createMemory();
  await t.share(session, memory);
  const inflight = craftInflight(t, t.kit.rings.length, QUEUE_SIZE, t.kit.ring);
  const rings = t.kit.rings.map((each) =>
    t.ring(session, memory, each, { size: QUEUE_SIZE, base: each === t.kit.ring ? from : 0 }),
  );
  const ring = rings.find(({ index }) => index === t.kit.ring);
  if (ring === undefined) throw new TypeError("a device without a ring for requests");
  const hand = new HandSplit(t, session, ring);
  const prepared = new PreparedRequests(t, { hand, memory, ring }, count);
  prepared.makeAvailable();
  const used = prepare({ notes: inflight.notes, heads: prepared.heads, hand });
  for (let i = 0; i < used; i += 1) hand.take();
  await session.set(FrontendRequest.SetInflightFd, inflight.description, [inflight.fd]);
  for (const each of rings) await each.restart(each === ring ? (from + used) & 0xffff : 0);
  if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) {
    for (const each of rings) await each.enable();
  }
  return { hand, ring, heads: prepared.heads, prepared };
}
