import { readFileSync, readSync } from "node:fs";
import { counted } from "../../core/base/index.ts";
import { OwnedFd } from "../../core/os/index.ts";
import { FrontendRequest, VirtioFeature } from "../../core/protocol/index.ts";
import type { TraceConsumer } from "./consumer.ts";
import type { MessageEvent, TraceEvent } from "./event.ts";
import type { TracedRing, TracedSession } from "./traced-session.ts";

/** Descriptors that are kept of one session; further ones are not looked at. */
const MAX_KEPT = 1024;
const DESCRIPTOR_BYTES = 16;
/** Offset of the index in the available ring and in the used ring. */
const INDEX_OFFSET = 2n;
/** Hints that are kept of a trace. */
const MAX_HINTS = 1000;

/** Something that explains why the requests of a session do not complete. */
export interface TraceHint {
  readonly session: number;
  readonly ring?: number | undefined;
  /** The observation, and its likely reason. */
  readonly text: string;
}

/** The state of a split ring. */
interface Chains {
  readonly used: number;
  /** Chains that were made available and not completed. */
  readonly waiting: number;
}

/** A live session, as far as its rings are concerned. */
interface Watched {
  /** Duplicates of kicks and memory, by name. */
  readonly kept: Map<string, OwnedFd>;
  /** The base with which each ring started. */
  readonly bases: Map<number, number>;
  /** The rings that were started at some time. */
  readonly started: Set<number>;
  /** Counters of the kicks at the moment at which a ring was asked to stop. */
  readonly unread: Map<number, number>;
}

/**
 * Looks for what explains a guest that hangs: rings that were not started, kicks that were not read,
 * memory that no driver has written. It changes nothing: counters are read from /proc, and a ring's
 * indices from the file.
 *
 * @example
 * ```ts
 * import { SessionHints, Tracer } from "vhost-user/testing";
 *
 * const hints = new SessionHints();
 * const tracer = new Tracer({ consumers: [hints] });
 * tracer.close();
 * hints.close();
 * for (const { session, ring, text } of hints.found) console.log(session, ring, text);
 * ```
 */
export class SessionHints implements TraceConsumer {
  readonly #sessions = new Map<number, Watched>();
  readonly #found: TraceHint[] = [];

  /** The hints about sessions that have ended, and about rings that were stopped. */
  get found(): readonly TraceHint[] {
    return this.#found;
  }

  event(event: TraceEvent, state: TracedSession, descriptors: readonly OwnedFd[]): void {
    if (event.type === "message") this.#message(event, state, descriptors);
    if (event.type === "closed") this.#closed(event.session, state);
  }

  /** Closes what is kept of sessions that are open. Idempotent. */
  close(): void {
    for (const session of this.#sessions.keys()) this.#forget(session);
  }

  #message(event: MessageEvent, state: TracedSession, descriptors: readonly OwnedFd[]): void {
    if (event.channel === "back-end") return;
    const watched = this.#watched(event.session);
    for (const [at, { name }] of event.descriptors.entries()) {
      const fd = descriptors[at];
      if (fd !== undefined && /^(?:kick|mem)/.test(name)) keep(watched.kept, name, fd);
    }
    const ring = event.ring === undefined ? undefined : state.rings.get(event.ring);
    if (ring === undefined) return;
    const { request } = event.header;
    const { SetVringKick, VringKick } = FrontendRequest;
    if ((request === SetVringKick || request === VringKick) && !event.isReply) {
      watched.bases.set(ring.index, ring.base ?? 0);
      watched.started.add(ring.index);
    }
    if (request === FrontendRequest.GetVringBase) {
      if (event.isReply) this.#stopped(event.session, ring, state);
      else watched.unread.set(ring.index, this.#unread(watched, ring));
    }
  }

  /** A ring was stopped in order. */
  #stopped(session: number, ring: TracedRing, state: TracedSession): void {
    const watched = this.#watched(session);
    const began = watched.bases.get(ring.index);
    watched.bases.delete(ring.index);
    if (began === undefined) return;
    this.#explain(session, ring, state, began, watched.unread.get(ring.index) ?? 0);
  }

  #closed(session: number, state: TracedSession): void {
    const watched = this.#watched(session);
    for (const ring of state.rings.values()) {
      const began = watched.bases.get(ring.index);
      if (ring.addresses !== undefined && !watched.started.has(ring.index)) {
        this.#add(session, ring.index, "was set up and never started: no SET_VRING_KICK passed");
      } else if (began !== undefined && !ring.enabled && waitsForEnable(state)) {
        if ((this.#chains(session, ring, state)?.waiting ?? 0) > 0) {
          const text = "has chains and is not enabled: no SET_VRING_ENABLE passed";
          this.#add(session, ring.index, text);
        }
      } else if (began !== undefined) {
        this.#explain(session, ring, state, began, this.#unread(watched, ring));
      }
    }
    this.#forget(session);
  }

  /** @param began the base with which the ring started */
  #explain(
    session: number,
    ring: TracedRing,
    state: TracedSession,
    began: number,
    unread: number,
  ): void {
    const { index } = ring;
    if (this.#areUntouched(session, state)) {
      const what = "the first descriptor of every ring is zero in the memory that was shared";
      const why = "the driver uses other memory (is share=on missing?), or made nothing available";
      return this.#add(session, index, `${what}: ${why}`);
    }
    const chains = this.#chains(session, ring, state);
    if (chains === undefined || chains.waiting === 0 || isForDevice(index, state)) return;
    const what = counted(chains.waiting, "chain");
    if (unread > 0) {
      const kick = `kick.${index} is not read (count ${unread})`;
      const why = "the back-end waits for another eventfd, or hangs";
      this.#add(session, index, `${what} not completed, and ${kick}: ${why}`);
    } else if (chains.used === (began & 0xffff)) {
      const why = "the back-end maps other memory than the guest's, or hangs";
      this.#add(
        session,
        index,
        `${what} available, none completed, and kick.${index} was read: ${why}`,
      );
    }
  }

  /** Reads the indices of a split ring; undefined where they are not known. */
  #chains(session: number, { addresses }: TracedRing, state: TracedSession): Chains | undefined {
    if (addresses === undefined || isPacked(state)) return undefined;
    const available = this.#indexAt(session, state, addresses.available);
    const used = this.#indexAt(session, state, addresses.used);
    if (available === undefined || used === undefined) return undefined;
    return { used, waiting: (available - used) & 0xffff };
  }

  /** The index in an area of a split ring, behind its flags. */
  #indexAt(session: number, state: TracedSession, area: bigint): number | undefined {
    const bytes = this.#bytes(session, state, area + INDEX_OFFSET, 2);
    return bytes && (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  }

  /** Reads from the file, not from a mapping: a hole of it stays one. */
  #bytes(
    session: number,
    state: TracedSession,
    address: bigint,
    length: number,
  ): Uint8Array | undefined {
    const place = state.locate(address);
    const fd = this.#watched(session).kept.get(place?.region.name ?? "");
    if (place === undefined || fd === undefined) return undefined;
    const bytes = new Uint8Array(length);
    try {
      return readSync(fd.fd, bytes, 0, length, Number(place.offset)) === length ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  /** The counter of a ring's kick, which is 0 after the back-end has read it. */
  #unread({ kept }: Watched, { kick }: TracedRing): number {
    const fd = kept.get(kick?.name ?? "");
    if (fd === undefined) return 0;
    try {
      const text = readFileSync(`/proc/self/fdinfo/${fd.fd}`, "utf8");
      return Number.parseInt(/^eventfd-count:\s*([\da-f]+)$/m.exec(text)?.[1] ?? "0", 16);
    } catch {
      return 0;
    }
  }

  /** Returns whether the memory of every ring that was started is known, and zero. */
  #areUntouched(session: number, state: TracedSession): boolean {
    return [...this.#watched(session).started].every((index) => {
      const { descriptor } = state.rings.get(index)?.addresses ?? {};
      if (descriptor === undefined) return false;
      const bytes = this.#bytes(session, state, descriptor, DESCRIPTOR_BYTES);
      return bytes?.every((byte) => byte === 0) === true;
    });
  }

  #add(session: number, ring: number, text: string): void {
    if (this.#found.length >= MAX_HINTS) return;
    const isKnown = this.#found.some(
      (each) => each.session === session && each.ring === ring && each.text === text,
    );
    if (!isKnown) this.#found.push({ session, ring, text });
  }

  #watched(session: number): Watched {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const watched = {
      kept: new Map(),
      bases: new Map(),
      started: new Set<number>(),
      unread: new Map(),
    };
    this.#sessions.set(session, watched);
    return watched;
  }

  #forget(session: number): void {
    for (const fd of this.#sessions.get(session)?.kept.values() ?? []) fd.close();
    this.#sessions.delete(session);
  }
}

function keep(kept: Map<string, OwnedFd>, name: string, fd: OwnedFd): void {
  if (kept.has(name) || kept.size >= MAX_KEPT) return;
  try {
    kept.set(name, OwnedFd.duplicateOf(fd.fd));
  } catch {
    // Without a free descriptor there is one hint less.
  }
}

/** Buffers wait in such a ring until the device has something for the driver. */
const FOR_DEVICE = /receive|event|^rx|alarm|stats|reporting|inflate|deflate/;

function isForDevice(index: number, { device }: TracedSession): boolean {
  const { once = [], repeated = [] } = device?.queues ?? {};
  const name = once[index] ?? repeated[(index - once.length) % Math.max(1, repeated.length)] ?? "";
  return FOR_DEVICE.test(name);
}

function isPacked({ negotiation }: TracedSession): boolean {
  return (negotiation.features & VirtioFeature.RingPacked) !== 0n;
}

function waitsForEnable({ negotiation }: TracedSession): boolean {
  return (negotiation.features & VirtioFeature.ProtocolFeatures) !== 0n;
}

/** A hint in one line. */
export function describeHint({ session, ring, text }: TraceHint): string {
  return `hint: session ${session}${ring === undefined ? "" : `, ring ${ring}`}: ${text}`;
}
