import { VirtioFeature } from "../../core/protocol/index.ts";
import { isPackedQueueSize, isSplitQueueSize } from "../../core/virtqueue/index.ts";
import type { RingEvent, SignalKind, TracedRing, TracedSession } from "../trace/index.ts";
import { EventProbe } from "./event-probe.ts";
import type { AddressSpace, GuestView } from "./guest-view.ts";
import { PackedRing } from "./packed-ring.ts";
import { RingRecord } from "./ring-record.ts";
import type { RingPlaces, RingSight, SignalReason } from "./ring-sight.ts";
import { SplitRing } from "./split-ring.ts";

/** Rings of a session that are followed. */
const MAX_RINGS = 256;
/** Entries of a ring that is followed. */
const MAX_SIZE = 32_768;
/** Chains that the last look at a ring describes: as many as rings of real drivers have. */
const LAST_BUDGET = 1024;

interface Followed {
  readonly key: string;
  readonly record: RingRecord;
  readonly sight: RingSight;
  readonly eventIndex: boolean;
  beforeUs: number;
}

/** The subject of a kick or a call, as far as the ring can be read. */
export interface Signalled extends Partial<SignalReason> {
  readonly queue: string | undefined;
}

/** The rings of one session. */
export class SessionRings {
  readonly #session: number;
  readonly #view: GuestView;
  readonly #report: (event: RingEvent) => void;
  readonly #rings = new Map<number, Followed>();
  readonly #kicks = new Map<number, EventProbe>();
  #isPaused = false;

  constructor(session: number, view: GuestView, report: (event: RingEvent) => void) {
    this.#session = session;
    this.#view = view;
    this.#report = report;
  }

  /** The number of rings that are followed. */
  get size(): number {
    return this.#rings.size;
  }

  /** Takes over a duplicate of a ring's kick. */
  kick(ring: number, probe: EventProbe): void {
    this.#kicks.get(ring)?.close();
    this.#kicks.set(ring, probe);
  }

  /** Follows the rings that are set up now, from where they were started. */
  update(state: TracedSession, us: number): void {
    for (const [index, followed] of this.#rings) {
      const ring = state.rings.get(index);
      if (ring?.started === true && keyOf(ring, state) === followed.key) continue;
      this.#look(index, followed, us, LAST_BUDGET);
      if (!this.#rings.delete(index)) continue;
      if (ring?.started !== true) this.#say(followed, "ended", "the ring was stopped", us);
    }
    for (const ring of state.rings.values()) {
      if (ring.started && !this.#rings.has(ring.index)) this.#follow(ring, state, us);
    }
  }

  /**
   * Looks at every ring.
   *
   * @param budget chains that may be described
   * @returns the steps that were found
   */
  look(us: number, budget: number): number {
    if (this.#isPaused) return 0;
    let steps = 0;
    for (const [index, followed] of this.#rings) steps += this.#look(index, followed, us, budget);
    return steps;
  }

  /** Looks at a ring of which a kick or a call is about to pass; undefined if it is not followed. */
  signalled(index: number, signal: SignalKind, us: number, budget: number): Signalled | undefined {
    const followed = this.#rings.get(index);
    if (followed === undefined || this.#isPaused) return undefined;
    this.#look(index, followed, us, budget);
    const reason = followed.sight.signalled(signal, followed.eventIndex);
    return { queue: followed.record.queue, ...reason };
  }

  /** Reports the rings whose chains have waited for a time. */
  reportStalls(us: number, limitUs: number): void {
    for (const [index, { record, sight, eventIndex }] of this.#rings) {
      record.stalled(us, limitUs, () => this.#kickInWords(index, sight.wantsKick(eventIndex)));
    }
  }

  /** Stops looking: pages that have not arrived must not be touched. */
  pause(reason: string, us: number): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    for (const each of this.#rings.values()) this.#say(each, "paused", reason, us);
  }

  /** Looks again. */
  resume(us: number): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    for (const each of this.#rings.values()) this.#sayFollowed(each, "as before", us);
  }

  /** Looks a last time and releases everything. */
  close(us: number): void {
    this.look(us, LAST_BUDGET);
    for (const each of this.#rings.values()) this.#say(each, "ended", "the session ended", us);
    this.#rings.clear();
    for (const probe of this.#kicks.values()) probe.close();
    this.#kicks.clear();
  }

  #look(index: number, followed: Followed, us: number, budget: number): number {
    const steps = followed.sight.look(us, followed.beforeUs, budget);
    followed.beforeUs = us;
    if (steps !== undefined) return steps;
    this.#rings.delete(index);
    this.#say(followed, "ended", this.#view.problem, us);
    return 0;
  }

  #follow(ring: TracedRing, state: TracedSession, us: number): void {
    const { index, size = 0, base = 0, addresses } = ring;
    const { features } = state.negotiation;
    const has = (feature: bigint): boolean => (features & feature) !== 0n;
    const isPacked = has(VirtioFeature.RingPacked);
    const isSize = isPacked ? isPackedQueueSize(size) : isSplitQueueSize(size);
    if (addresses === undefined || !isSize || size > MAX_SIZE || this.#rings.size >= MAX_RINGS)
      return;
    const isTranslated = has(VirtioFeature.AccessPlatform);
    const places: RingPlaces = {
      size,
      descriptors: Number(addresses.descriptor),
      driver: Number(addresses.available),
      device: Number(addresses.used),
      space: isTranslated ? "iova" : "user",
    };
    const space: AddressSpace = isTranslated ? "iova" : "guest";
    const record = new RingRecord({
      session: this.#session,
      ring: index,
      device: state.device,
      features,
      view: this.#view,
      space,
      report: this.#report,
    });
    const look = { view: this.#view, space, record, inOrder: has(VirtioFeature.InOrder) };
    const sight = isPacked
      ? new PackedRing(places, base, look)
      : new SplitRing(places, base & 0xffff, this.#usedStart(places, base, state), look);
    const eventIndex = has(VirtioFeature.EventIdx);
    const followed = { key: keyOf(ring, state), record, sight, eventIndex, beforeUs: us };
    this.#rings.set(index, followed);
    const words = [isPacked ? "packed" : "split", `${size} entries`, `base ${base}`];
    this.#sayFollowed(followed, words.join(", "), us);
  }

  /** Chains in flight are resubmitted from a region: the device goes on from its own used index. */
  #usedStart({ device, space }: RingPlaces, base: number, state: TracedSession): number {
    const words = new Uint8Array(8);
    const isBehind = state.inflight !== undefined;
    if (!isBehind || this.#view.read(space, device, words, 0, 8) < 8) return base & 0xffff;
    return (words[2] ?? 0) | ((words[3] ?? 0) << 8);
  }

  #kickInWords(index: number, wanted: boolean | undefined): string {
    const count = this.#kicks.get(index)?.count();
    if (count !== undefined && count > 0) return "a kick waits, which the back-end has not taken";
    const taken = count === undefined ? "" : "no kick waits: it was taken, or never sent; ";
    if (wanted === undefined) return `${taken}the ring cannot be read`;
    return wanted
      ? `${taken}the device has asked for a kick`
      : `${taken}the device has not asked for a kick`;
  }

  #say({ record }: Followed, state: "paused" | "ended", reason: string, us: number): void {
    record.viewed(state, reason, us);
  }

  /** Reports the beginning behind the message that caused it. */
  #sayFollowed({ record }: Followed, reason: string, us: number): void {
    queueMicrotask(() => record.viewed(this.#isPaused ? "paused" : "followed", reason, us));
  }
}

/** Equal as long as a ring is in the same place. */
function keyOf({ size, addresses, base }: TracedRing, { negotiation }: TracedSession): string {
  const { descriptor, available, used } = addresses ?? {};
  // A migration begins and ends while the rings run.
  const features = negotiation.features & ~VirtioFeature.LogAll;
  return [size, descriptor, available, used, base, features].join(" ");
}
