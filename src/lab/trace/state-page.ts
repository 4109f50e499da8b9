import {
  protocolFeatureNames,
  statusNames,
  virtioFeatureNames,
  type VringAddress,
} from "../../core/protocol/index.ts";
import { queueName } from "../../endpoints/devices/kind.ts";
import type { TraceConsumer } from "./consumer.ts";
import type { Ending, OpenedEvent, TraceDescriptor, TraceEvent, TracePeer } from "./event.ts";
import { type ChainsSeen, SeenChains, type WaitingChain } from "./seen-chains.ts";
import type { TracedRegion, TracedRing, TracedSession } from "./traced-session.ts";

/** A word of feature bits, or the device status. */
export interface NamedBits {
  readonly bits: string;
  readonly names: readonly string[];
}

/** A region of memory. Numbers of 64 bits are hexadecimal text. */
export interface InspectedRegion {
  readonly name: string;
  readonly guestAddress: string;
  readonly userAddress: string;
  readonly size: number;
  readonly offset: string;
  /** The kernel object that it is in. */
  readonly object?: string | undefined;
}

/** A ring as it is set up, with what was seen of its chains. */
export interface InspectedRing {
  readonly ring: number;
  readonly queue?: string | undefined;
  readonly started: boolean;
  readonly enabled: boolean;
  readonly size?: number | undefined;
  readonly base?: number | undefined;
  /** Region and offset where they are in a region, else the address. */
  readonly addresses?: Readonly<Record<"descriptor" | "available" | "used", string>> | undefined;
  readonly kick?: string | undefined;
  readonly call?: string | undefined;
  readonly err?: string | undefined;
  /** Absent if the rings were not followed. */
  readonly chains?: ChainsSeen | undefined;
  readonly outstanding?: readonly WaitingChain[] | undefined;
}

/** The state of a session at a moment. */
export interface InspectedSession {
  readonly session: number;
  readonly frontEnd?: TracePeer | undefined;
  readonly backEnd?: TracePeer | undefined;
  readonly messages: number;
  readonly ended?: Ending | undefined;
  readonly device?: string | undefined;
  readonly features: NamedBits;
  readonly protocolFeatures: NamedBits;
  readonly status?: NamedBits | undefined;
  readonly regions: readonly InspectedRegion[];
  readonly rings: readonly InspectedRing[];
}

interface Session {
  state: TracedSession;
  readonly chains: SeenChains;
  opened?: OpenedEvent;
  ended?: Ending;
  messages: number;
}

/**
 * Keeps what a session has set up, to be shown at any moment.
 *
 * @example
 * ```ts
 * import { StatePage, TraceReader } from "vhost-user/testing";
 *
 * const capture = '{"us":12,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}\n';
 * const page = new StatePage();
 * for (const { event, state } of new TraceReader().read(capture)) page.event(event, state);
 * console.log(page.sessions(12)[0]?.messages); // 1
 * ```
 */
export class StatePage implements TraceConsumer {
  readonly #sessions = new Map<number, Session>();
  /** The session that ended last, for a moment at which none is open. */
  #last: [number, Session] | undefined;

  event(event: TraceEvent, state: TracedSession): void {
    const known = this.#sessions.get(event.session);
    const session = known ?? { state, chains: new SeenChains(), messages: 0 };
    session.state = state;
    this.#sessions.set(event.session, session);
    session.chains.event(event);
    if (event.type === "opened") session.opened = event;
    if (event.type === "message") session.messages += 1;
    if (event.type === "closed") {
      const { by, how, reason } = event;
      session.ended = { by, how, reason };
      this.#sessions.delete(event.session);
      this.#last = [event.session, session];
    }
  }

  /**
   * Returns the sessions that are open, or the one that ended last.
   *
   * @param us the moment, which ages are counted from
   */
  sessions(us: number): InspectedSession[] {
    const open = [...this.#sessions];
    const shown = open.length === 0 && this.#last !== undefined ? [this.#last] : open;
    return shown.map(([number, session]) => inspect(number, session, us));
  }

  /** Returns a session that is open, or the one that ended last; undefined if it is another one. */
  session(number: number, us: number): InspectedSession | undefined {
    const [last, ended] = this.#last ?? [];
    const session = this.#sessions.get(number) ?? (last === number ? ended : undefined);
    return session && inspect(number, session, us);
  }
}

function inspect(number: number, session: Session, us: number): InspectedSession {
  const { state, chains, opened, ended, messages } = session;
  const { features, protocolFeatures } = state.negotiation;
  const { device, status } = state;
  const rings = [...state.rings.values()].sort((a, b) => a.index - b.index);
  return {
    session: number,
    frontEnd: opened?.frontEnd,
    backEnd: opened?.backEnd,
    messages,
    ended,
    device: device?.name,
    features: named(features, virtioFeatureNames(features, device)),
    protocolFeatures: named(protocolFeatures, protocolFeatureNames(protocolFeatures)),
    status: status === undefined ? undefined : named(status, statusNames(status)),
    regions: state.regions.map(inspectRegion),
    rings: rings.map((ring) => inspectRing(ring, state, chains, us)),
  };
}

function named(bits: bigint, names: readonly string[]): NamedBits {
  return { bits: hex(bits), names };
}

function inspectRegion(region: TracedRegion): InspectedRegion {
  const { name, guestAddress, userAddress, size, mmapOffset, descriptor } = region;
  return {
    name,
    guestAddress: hex(guestAddress),
    userAddress: hex(userAddress),
    size: Number(size),
    offset: hex(mmapOffset),
    object: descriptor && objectOf(descriptor),
  };
}

function inspectRing(
  ring: TracedRing,
  state: TracedSession,
  chains: SeenChains,
  us: number,
): InspectedRing {
  const { index, started, enabled, size, base, addresses, kick, call, err } = ring;
  return {
    ring: index,
    queue: state.device && queueName(state.device, index),
    started,
    enabled,
    size,
    base,
    addresses: addresses && placesOf(addresses, state),
    kick: kick && objectOf(kick),
    call: call && objectOf(call),
    err: err && objectOf(err),
    ...chains.of(index, us),
  };
}

function placesOf(
  { descriptor, available, used }: VringAddress,
  state: TracedSession,
): NonNullable<InspectedRing["addresses"]> {
  const place = (address: bigint): string => {
    const found = state.locate(address);
    return found === undefined ? hex(address) : `${found.region.name}+${hex(found.offset)}`;
  };
  return { descriptor: place(descriptor), available: place(available), used: place(used) };
}

/** `kick.0 eventfd 17` */
function objectOf({ name, object: { kind, id } }: TraceDescriptor): string {
  return [name, kind, ...(id === undefined ? [] : [id])].join(" ");
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
