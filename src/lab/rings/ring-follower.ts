import { asError } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import { BackendRequest, FrontendRequest, requestSpec } from "../../core/protocol/index.ts";
import type { Iotlb } from "../../core/protocol/index.ts";
import type {
  MessageEvent,
  PassingSignal,
  RingEvent,
  RingSignalEvent,
  TraceConsumer,
  TracedSession,
  TraceEvent,
} from "../trace/index.ts";
import { EventProbe } from "./event-probe.ts";
import { GuestView } from "./guest-view.ts";
import { Sampler } from "./sampler.ts";
import { SessionRings } from "./session-rings.ts";

/** Microseconds for which chains wait before their ring counts as stalled. */
const STALL_US = 1_000_000;

/** Chains that a look at a kick or call describes: a ring of a real driver has no more. */
const SIGNAL_BUDGET = 1024;

export interface RingFollowerOptions {
  /** Takes the events of rings: `(event) => tracer.report(event)`. */
  readonly report: (event: RingEvent) => void;
  /** Microseconds since the trace began: `() => tracer.us`. */
  readonly clock: () => number;
  /** Microseconds after which chains that wait are reported. Default 1,000,000. */
  readonly stallUs?: number | undefined;
  /**
   * Looks besides at each kick and call of {@link RingFollower.signalled}, and yields to the event
   * loop between two looks. Default false.
   */
  readonly exact?: boolean | undefined;
  /** Memory cannot be looked at. */
  readonly onProblem?: ((problem: Error) => void) | undefined;
}

interface Session {
  readonly view: GuestView;
  readonly rings: SessionRings;
}

/**
 * Follows the rings of traced sessions by looking at their memory again and again, and reports chains
 * made available and used. It writes nothing, takes no kick, and maps no memory.
 *
 * Make it the first consumer of a {@link Tracer}.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { describeEvent, Relay, RingFollower, Tracer } from "vhost-user/testing";
 *
 * const rings = new RingFollower({
 *   report: (event) => tracer.report(event),
 *   clock: () => tracer.us,
 * });
 * const tracer: Tracer = new Tracer({
 *   consumers: [rings, { event: (event) => console.log(describeEvent(event).join("\n")) }],
 * });
 * const relay = await Relay.start({
 *   frontend: { listen: "trace.sock" },
 *   backend: { connect: "disk.sock" },
 *   hooks: (session, peers) => tracer.session(session, peers),
 * });
 * const client = await Client.connect("trace.sock");
 * await client.close();
 * relay.close();
 * rings.close();
 * tracer.close();
 * ```
 */
export class RingFollower implements TraceConsumer {
  readonly #options: RingFollowerOptions;
  readonly #sessions = new Map<number, Session>();
  readonly #sampler: Sampler;

  constructor(options: RingFollowerOptions) {
    this.#options = options;
    const exact = options.exact === true;
    this.#sampler = new Sampler((budget) => this.#look(budget), { sleeps: !exact });
  }

  /**
   * Looks at the ring of a kick or call that is about to pass, and returns the event for it. What the
   * look finds is reported before.
   */
  signalled({ session, ring, signal, signals }: PassingSignal): RingSignalEvent {
    const us = this.#options.clock();
    const rings = this.#sessions.get(session)?.rings;
    const about = rings?.signalled(ring, signal, us, SIGNAL_BUDGET);
    return { type: "ring-signal", us, session, ring, signal, signals, ...about };
  }

  event(event: TraceEvent, state: TracedSession, descriptors: readonly OwnedFd[]): void {
    if (event.type === "closed") this.#close(event.session);
    if (event.type !== "message") return;
    if (this.#options.exact === true) this.#inBand(event);
    if (event.channel !== "front-end") return;
    try {
      this.#message(event, state, descriptors);
    } catch (error) {
      this.#options.onProblem?.(asError(error));
    }
    if (this.#sessions.size > 0) this.#sampler.start();
  }

  /** Stops looking. Idempotent. */
  close(): void {
    for (const session of this.#sessions.keys()) this.#close(session);
  }

  #message(event: MessageEvent, state: TracedSession, descriptors: readonly OwnedFd[]): void {
    const { session, isReply, ring } = event;
    const R = FrontendRequest;
    const us = this.#options.clock();
    switch (event.header.request) {
      case R.SetMemTable:
      case R.AddMemReg:
      case R.RemMemReg:
        if (isReply) return;
        this.#session(session).view.update(state.regions, event.descriptors, descriptors);
        return this.#update(session, state);
      case R.SetVringKick: {
        const [kick] = descriptors;
        if (isReply) return;
        if (ring !== undefined && kick !== undefined) {
          this.#session(session).rings.kick(ring, new EventProbe(kick.duplicate()));
        }
        return this.#update(session, state);
      }
      case R.IotlbMsg: {
        const translation = isReply ? undefined : iotlbOf(event);
        if (translation !== undefined) this.#session(session).view.translate(translation);
        return;
      }
      case R.PostcopyListen:
        return this.#sessions.get(session)?.rings.pause("postcopy moves the memory", us);
      case R.PostcopyEnd:
        return isReply ? this.#sessions.get(session)?.rings.resume(us) : undefined;
      default:
        if (CHANGES.has(event.header.request)) this.#update(session, state);
    }
  }

  /** Kicks and calls that are messages. */
  #inBand({ session, ring, channel, header, isReply }: MessageEvent): void {
    const isKick = channel === "front-end" && header.request === FrontendRequest.VringKick;
    const isCall = channel === "back-end" && header.request === BackendRequest.VringCall;
    if (ring === undefined || isReply || (!isKick && !isCall)) return;
    const signal = isKick ? "kick" : "call";
    const event = this.signalled({ session, ring, signal, signals: 1 });
    this.#options.report({ ...event, inBand: true });
  }

  #update(session: number, state: TracedSession): void {
    this.#sessions.get(session)?.rings.update(state, this.#options.clock());
  }

  #session(session: number): Session {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const view = new GuestView();
    const made = { view, rings: new SessionRings(session, view, this.#options.report) };
    this.#sessions.set(session, made);
    return made;
  }

  #close(session: number): void {
    const known = this.#sessions.get(session);
    if (known === undefined) return;
    known.rings.close(this.#options.clock());
    known.view.close();
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#sampler.stop();
  }

  #look(budget: number): number {
    const us = this.#options.clock();
    let steps = 0;
    for (const { rings } of this.#sessions.values()) {
      steps += rings.look(us, budget);
      rings.reportStalls(us, this.#options.stallUs ?? STALL_US);
    }
    return steps;
  }
}

/** Requests after which rings are in other places, or stopped. */
const CHANGES: ReadonlySet<number> = new Set([
  FrontendRequest.SetFeatures,
  FrontendRequest.SetVringNum,
  FrontendRequest.SetVringAddr,
  FrontendRequest.SetVringBase,
  FrontendRequest.GetVringBase,
  FrontendRequest.GetVringBaseSkipDrain,
  FrontendRequest.VringKick,
  FrontendRequest.SetStatus,
  FrontendRequest.ResetDevice,
]);

function iotlbOf({ header, payload }: MessageEvent): Iotlb | undefined {
  const codec = requestSpec("front-end", header.request)?.payload;
  try {
    return codec?.decode(payload) as Iotlb | undefined;
  } catch {
    return undefined;
  }
}
