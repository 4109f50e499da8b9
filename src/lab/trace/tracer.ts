import { asError } from "../../core/base/index.ts";
import { type OwnedFd, type ProcessEnd, processEnd, processName } from "../../core/os/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import {
  type Forward,
  kernelObject,
  type RelayedMessage,
  type RelayEnd,
  type RelayHooks,
  type RelayPeers,
} from "../wire/index.ts";
import type { TraceConsumer, TraceInterceptor } from "./consumer.ts";
import type { Ending, MessageEvent, SentMessage, TraceEvent, TracePeer } from "./event.ts";
import type { RingEvent } from "./ring-event.ts";
import type { RingSignals } from "./ring-signals.ts";
import { SessionDecoder } from "./session-decoder.ts";

/** Default milliseconds before a missing reply is reported as late. */
const LATE_MS = 1000;
const LOOK_MS = 100;

export interface TracerOptions {
  readonly consumers: readonly TraceConsumer[];
  /** The interceptors, in order from the sender. Default none. */
  readonly interceptors?: readonly TraceInterceptor[] | undefined;
  /** Goes between the two sides of each kick and call. Default: these do not pass through here. */
  readonly signals?: RingSignals | undefined;
  /** Names the bits and the configuration space of this type. Default: inferred from the offer. */
  readonly device?: DeviceKind | undefined;
  /** Milliseconds after which a missing reply is reported. Default 1000. */
  readonly lateMs?: number | undefined;
  /** A consumer failed; it gets no further events. */
  readonly onProblem?: ((problem: Error) => void) | undefined;
}

/**
 * Follows the sessions of a relay: decodes each message and hands it to consumers, which cannot disturb
 * the conversation.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { describeEvent, Relay, Tracer } from "vhost-user/testing";
 *
 * const tracer = new Tracer({
 *   consumers: [{ event: (event) => console.log(describeEvent(event).join("\n")) }],
 * });
 * const relay = await Relay.start({
 *   frontend: { listen: "trace.sock" },
 *   backend: { connect: "disk.sock" },
 *   hooks: (session, peers) => tracer.session(session, peers),
 * });
 * const client = await Client.connect("trace.sock");
 * await client.close();
 * relay.close();
 * tracer.close();
 * ```
 */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #consumers: Set<TraceConsumer>;
  readonly #sessions = new Map<number, SessionDecoder>();
  #start: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#consumers = new Set(options.consumers);
  }

  /** Microseconds since the trace began, which is when its first session opened. */
  get us(): number {
    return Math.round((performance.now() - (this.#start ?? performance.now())) * 1000);
  }

  /** Makes the hooks of a relay's session. */
  session(session: number, { frontend, backend }: RelayPeers): RelayHooks {
    this.#start ??= performance.now();
    const { device } = this.#options;
    const [frontEnd, backEnd] = [peerOf(frontend.pid), peerOf(backend.pid)];
    const decoder = new SessionDecoder({ session, frontEnd, backEnd, device });
    this.#sessions.set(session, decoder);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    this.#emit(decoder.opened(this.us), decoder);
    const endingOf = (end: RelayEnd): Ending =>
      describeEnd(end, end.side === "front-end" ? frontEnd : backEnd);
    return {
      message: (message, forward) => this.#message(decoder, message, forward),
      channelEnded: (end) => this.#emit(decoder.channelClosed(this.us, endingOf(end)), decoder),
      ended: (end) => {
        this.#emit(decoder.closed(this.us, endingOf(end)), decoder);
        this.#sessions.delete(session);
      },
    };
  }

  /** Hands the consumers an event that one of them found, e.g. in the memory of an open session. */
  report(event: RingEvent): void {
    const decoder = this.#sessions.get(event.session);
    if (decoder !== undefined) this.#emit(event, decoder);
  }

  /** Stops looking for late replies. Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #message(
    decoder: SessionDecoder,
    message: RelayedMessage,
    forward: Forward,
  ): void | Promise<void> {
    const { us } = this;
    const { frame } = message;
    const { interceptors = [], signals } = this.#options;
    if (interceptors.length === 0 && signals === undefined) {
      // The peer works on the message while it is decoded here.
      const sent = forward(frame);
      this.#record(decoder, us, message);
      return sent;
    }
    const event = this.#record(decoder, us, message);
    const { session, number, from, channel } = event;
    const report = (action: string, sent?: Frame): void => {
      const about = { session, number, from, channel, action };
      this.#emit({ type: "action", us: this.us, ...about, sent: sent && sentOf(sent) }, decoder);
    };
    const chain = interceptors.reduceRight<Forward>(
      (next, interceptor) => async (each) => interceptor.message(event, each, next, report),
      forward,
    );
    return chain(frame);
  }

  #record(
    decoder: SessionDecoder,
    us: number,
    { from, channel, frame }: RelayedMessage,
  ): MessageEvent {
    const { header, payload, fds } = frame;
    const objects = fds.map(({ fd }) => kernelObject(fd));
    const event = decoder.message(us, { from, channel, header, payload, objects });
    // Consumers get the descriptors that the receiver gets.
    this.#options.signals?.message(event, frame);
    this.#emit(event, decoder, fds);
    return event;
  }

  #emit(event: TraceEvent, { state }: SessionDecoder, descriptors: readonly OwnedFd[] = []): void {
    // What the ends of its signals bring about belongs to the session.
    if (event.type === "closed") this.#options.signals?.event(event);
    for (const consumer of this.#consumers) {
      try {
        consumer.event(event, state, descriptors);
      } catch (error) {
        this.#consumers.delete(consumer);
        this.#options.onProblem?.(asError(error));
      }
    }
  }

  #look(): void {
    const { us } = this;
    const limitUs = (this.#options.lateMs ?? LATE_MS) * 1000;
    for (const decoder of this.#sessions.values()) {
      for (const event of decoder.late(us, limitUs)) this.#emit(event, decoder);
    }
  }
}

function sentOf({ header, payload, fds }: Frame): SentMessage {
  return { header, payload, descriptors: fds.length };
}

function peerOf(pid: number): TracePeer {
  // A process outside of our namespace has the number 0.
  return pid > 0 ? { pid, program: processName(pid) } : {};
}

/** @param peer the side that ended the connection */
function describeEnd({ by, side, error }: RelayEnd, peer: TracePeer): Ending {
  if (side === undefined) return { how: "closed", reason: "the trace ended the session" };
  if (by === "error") return { by: side, how: "broken", reason: error.message };
  const end = peer.pid === undefined ? undefined : processEnd(peer.pid);
  if (end === undefined) return { by: side, how: "closed", reason: error.message };
  const name = `${side}${peer.program === undefined ? "" : ` ${peer.program}`} (pid ${peer.pid})`;
  return { by: side, how: howItEnded(end, side), reason: `${name} ${endInWords(end)}` };
}

/** A front-end may exit at any time. A back-end that is gone before its session was not to go. */
function howItEnded({ code, signal }: ProcessEnd, side: Direction): Ending["how"] {
  if (signal !== undefined || (code !== undefined && code !== 0)) return "crashed";
  return code === undefined && side === "back-end" ? "crashed" : "closed";
}

function endInWords({ code, signal }: ProcessEnd): string {
  if (signal !== undefined) return `was ended by ${signal}`;
  return code === undefined ? "is gone" : `exited with code ${code}`;
}
