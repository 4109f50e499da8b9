import { asError } from "../../core/base/index.ts";
import { EventFd, type OwnedFd } from "../../core/os/index.ts";
import { FrontendRequest } from "../../core/protocol/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import type { TraceConsumer } from "./consumer.ts";
import type { MessageEvent, TraceEvent } from "./event.ts";
import type { SignalKind } from "./ring-event.ts";
import { RingSignal, type SignalFate } from "./ring-signal.ts";

/** Rings of a session whose kicks and calls are seen. */
const MAX_RINGS = 256;
/** Calls of a ring that were replaced, and that a back-end may still signal. */
const MAX_REPLACED = 2;

/** A kick or a call on its way. */
export interface PassingSignal {
  readonly session: number;
  readonly ring: number;
  readonly signal: SignalKind;
  /** The number of signals that the kernel has merged. */
  readonly signals: number;
}

export interface RingSignalsOptions {
  /** Decides what happens to a signal. It is passed on afterwards. */
  readonly decide: (signal: PassingSignal) => SignalFate;
  /** A descriptor passes as it is, because it could not be replaced. */
  readonly onProblem?: ((problem: Error) => void) | undefined;
}

interface Ring {
  kick: RingSignal | undefined;
  call: RingSignal | undefined;
  readonly replaced: RingSignal[];
}

/**
 * Puts event descriptors of its own between the two sides, so that each kick and call passes through this
 * process: the receiver of SET_VRING_KICK or SET_VRING_CALL gets one that is new, and what is signalled
 * on one side is handed on to the other. What waits when a ring stops or a session ends goes back to
 * the sender's descriptor (a kick) or on to the receiver's (a call), as if nothing had been between them.
 *
 * Give it to a {@link Tracer} as `signals`.
 *
 * @example
 * ```ts
 * import { Relay, RingSignals, Tracer } from "vhost-user/testing";
 *
 * const signals = new RingSignals({
 *   decide: ({ ring, signal }) => {
 *     console.log(signal, ring);
 *     return { kind: "pass" };
 *   },
 * });
 * const tracer = new Tracer({ consumers: [], signals });
 * const relay = await Relay.start({
 *   frontend: { listen: "trace.sock" },
 *   backend: { connect: "disk.sock" },
 *   hooks: (session, peers) => tracer.session(session, peers),
 * });
 * relay.close();
 * tracer.close();
 * signals.close();
 * ```
 */
export class RingSignals implements Pick<TraceConsumer, "event"> {
  readonly #options: RingSignalsOptions;
  readonly #sessions = new Map<number, Map<number, Ring>>();

  constructor(options: RingSignalsOptions) {
    this.#options = options;
  }

  /** Replaces the descriptor of a message, and follows which rings run. */
  message(event: MessageEvent, frame: Frame): void {
    const { session, channel, ring: index, header, isReply } = event;
    if (channel !== "front-end" || index === undefined || index >= MAX_RINGS) return;
    const ring = this.#sessions.get(session)?.get(index);
    // What was signalled before the message reaches its receiver before it.
    for (const each of [ring?.kick, ring?.call]) each?.flush();
    const R = FrontendRequest;
    if (isReply) {
      // The back-end reads no more kicks: they are the front-end's again.
      if (STOPS.has(header.request)) ring?.kick?.pause();
    } else if (header.request === R.SetVringKick) this.#replace("kick", event, index, frame);
    else if (header.request === R.SetVringCall) this.#replace("call", event, index, frame);
    else if (STARTS.has(header.request)) ring?.kick?.resume();
  }

  event(event: TraceEvent): void {
    if (event.type === "closed") this.#forget(event.session);
  }

  /** Ends the sessions that are open. Idempotent. */
  close(): void {
    for (const session of this.#sessions.keys()) this.#forget(session);
  }

  #replace(kind: SignalKind, event: MessageEvent, index: number, frame: Frame): void {
    const ring = this.#ring(event.session, index);
    const before = ring[kind];
    ring[kind] = undefined;
    if (kind === "kick") before?.end();
    else if (before !== undefined) {
      // The back-end may signal the old one until it has read this message.
      ring.replaced.push(before);
      if (ring.replaced.length > MAX_REPLACED) ring.replaced.shift()?.end();
    }
    const [fd, ...more] = frame.fds;
    if (fd === undefined) return;
    const [descriptor] = event.descriptors;
    try {
      if (more.length > 0 || descriptor?.object.kind !== "eventfd") {
        throw new Error(
          `it must be one eventfd, not ${descriptor?.object.kind ?? "another object"}`,
        );
      }
      ring[kind] = this.#interpose(kind, event, index, frame, fd);
    } catch (error) {
      const reason = `${kind} of ring ${index} is not seen: ${asError(error).message}`;
      this.#options.onProblem?.(new Error(reason, { cause: error }));
    }
  }

  #interpose(
    kind: SignalKind,
    { session }: MessageEvent,
    ring: number,
    frame: Frame,
    theirs: OwnedFd,
  ): RingSignal {
    const { decide, onProblem } = this.#options;
    const peer = EventFd.adopt(theirs.duplicate());
    let own: EventFd;
    try {
      // A program that reads or writes in blocking mode still does.
      own = EventFd.like(peer);
    } catch (error) {
      peer.close();
      throw error;
    }
    const between = new RingSignal(kind, peer, own, (signals) => {
      try {
        return decide({ session, ring, signal: kind, signals });
      } catch (error) {
        onProblem?.(asError(error));
        return { kind: "pass" };
      }
    });
    try {
      const passed = between.duplicate();
      frame.fds[0] = passed;
      theirs.close();
      return between;
    } catch (error) {
      between.end();
      throw error;
    }
  }

  #ring(session: number, index: number): Ring {
    const rings = this.#sessions.get(session) ?? new Map<number, Ring>();
    this.#sessions.set(session, rings);
    const ring = rings.get(index) ?? { kick: undefined, call: undefined, replaced: [] };
    rings.set(index, ring);
    return ring;
  }

  #forget(session: number): void {
    for (const { kick, call, replaced } of this.#sessions.get(session)?.values() ?? []) {
      for (const each of [...replaced, call, kick]) each?.end();
    }
    this.#sessions.delete(session);
  }
}

const STOPS: ReadonlySet<number> = new Set([
  FrontendRequest.GetVringBase,
  FrontendRequest.GetVringBaseSkipDrain,
]);
/** Requests after which a ring that was stopped may be started by a kick. */
const STARTS: ReadonlySet<number> = new Set([
  FrontendRequest.SetVringNum,
  FrontendRequest.SetVringAddr,
  FrontendRequest.SetVringBase,
  FrontendRequest.SetVringEnable,
]);
