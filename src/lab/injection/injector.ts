import { asError, delay } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import type { Forward } from "../wire/index.ts";
import type {
  MessageEvent,
  RingSignalEvent,
  SignalFate,
  TraceConsumer,
  TraceEvent,
  TraceInterceptor,
} from "../trace/index.ts";
import type { Changed } from "./changed.ts";
import type { Injection } from "./spec.ts";

/** The means of a fault besides changing messages. */
export interface InjectorPorts {
  /** Ends a session on both sides. */
  disconnect(session: number): void;
  /**
   * Kills the program of a side.
   *
   * @returns false if it is not ours to kill
   */
  kill(side: Direction): boolean;
}

type Report = (action: string, sent?: Frame) => void;

/** A message that waits for the next one of its sender. */
interface Held {
  readonly frame: Frame;
  readonly forward: Forward;
}

/** Requests whose reply is withheld are remembered up to this number. */
const MAX_WITHHELD = 4096;

/**
 * Injects one fault into the sessions of a trace. It is an interceptor, and a consumer that learns when
 * sessions end. Each message that it touches gets an event that says so.
 *
 * @example
 * ```ts
 * import { FaultInjector, parseInjection, Relay, Tracer } from "vhost-user/testing";
 *
 * const fault = new FaultInjector(parseInjection("SET_VRING_KICK:drop:when=1"), {
 *   disconnect: () => undefined,
 *   kill: () => false,
 * });
 * const tracer = new Tracer({ consumers: [fault], interceptors: [fault] });
 * const relay = await Relay.start({
 *   frontend: { listen: "faulty.sock" },
 *   backend: { connect: "disk.sock" },
 *   hooks: (session, peers) => tracer.session(session, peers),
 * });
 * relay.close();
 * tracer.close();
 * fault.close();
 * console.log(fault.times); // 0
 * ```
 */
export class FaultInjector implements TraceInterceptor, TraceConsumer {
  readonly injection: Injection;
  readonly #ports: InjectorPorts;
  readonly #closing = new AbortController();
  /** End the delays of each session. */
  readonly #delays = new Map<number, AbortController>();
  readonly #held = new Map<string, Held>();
  readonly #withheld = new Set<string>();
  #seen = 0;
  #times = 0;

  constructor(injection: Injection, ports: InjectorPorts) {
    this.injection = injection;
    this.#ports = ports;
  }

  /** The number of messages, kicks and calls that were changed, held back or dropped. */
  get times(): number {
    return this.#times;
  }

  /** Ends delays, and closes what is held back. Idempotent. */
  close(): void {
    this.#closing.abort();
    for (const key of this.#held.keys()) this.#discard(key);
  }

  event(event: TraceEvent): void {
    if (event.type !== "closed") return;
    this.#delays.get(event.session)?.abort();
    this.#delays.delete(event.session);
    const start = `${event.session} `;
    for (const key of this.#held.keys()) if (key.startsWith(start)) this.#discard(key);
    for (const key of this.#withheld) if (key.startsWith(start)) this.#withheld.delete(key);
  }

  async message(
    event: MessageEvent,
    frame: Frame,
    forward: Forward,
    report: Report,
  ): Promise<void> {
    const key = `${event.session} ${event.channel} ${event.from}`;
    const before = this.#held.get(key);
    this.#held.delete(key);
    try {
      if (this.#withholds(event)) {
        this.#injected(report, "dropped the reply");
      } else if (this.#isDue(event)) {
        await this.#act(event, frame, forward, report, key);
      } else {
        await forward(frame);
      }
    } catch (error) {
      for (const fd of before?.frame.fds ?? []) fd.close();
      throw error;
    }
    if (before !== undefined) await sendAndClose(before.frame, before.forward, before.frame.fds);
  }

  /** Decides what happens to a kick or call, and what is said about it. */
  signal(event: RingSignalEvent): { readonly fate: SignalFate; readonly action?: string } {
    const { action } = this.injection;
    if (!this.#isDue(event)) return { fate: { kind: "pass" } };
    this.#times += 1;
    if (action.kind === "delay") {
      return { fate: action, action: `injected: delayed by ${action.ms} ms` };
    }
    return { fate: { kind: "drop" }, action: "injected: dropped" };
  }

  #isDue(event: TraceEvent): boolean {
    if (!this.injection.concerns(event)) return false;
    this.#seen += 1;
    return this.injection.when.has(this.#seen);
  }

  #withholds({ session, channel, answers, isReply }: MessageEvent): boolean {
    return isReply && this.#withheld.delete(`${session} ${channel} ${answers?.to ?? 0}`);
  }

  #injected(report: Report, what: string, sent?: Frame): void {
    this.#times += 1;
    report(`injected: ${what}`, sent);
  }

  async #act(
    event: MessageEvent,
    frame: Frame,
    forward: Forward,
    report: Report,
    key: string,
  ): Promise<void> {
    const { action } = this.injection;
    switch (action.kind) {
      case "drop":
        return this.#injected(report, "dropped");
      case "delay":
        this.#injected(report, `delayed by ${action.ms} ms`);
        await delay(action.ms, this.#endOf(event.session)).catch(() => undefined);
        return forward(frame);
      case "duplicate":
        this.#injected(report, "sent twice", frame);
        await forward(frame);
        return forward(frame);
      case "reorder":
        this.#injected(report, "held back until the next message");
        // The descriptors are ours until it is sent.
        this.#held.set(key, { frame: { ...frame, fds: frame.fds.splice(0) }, forward });
        return;
      case "no-reply":
        if (this.#withheld.size < MAX_WITHHELD) {
          this.#withheld.add(`${event.session} ${event.channel} ${event.number}`);
        }
        return forward(frame);
      case "disconnect":
        this.#injected(report, "the session was ended");
        return this.#ports.disconnect(event.session);
      case "kill": {
        const isKilled = this.#ports.kill(action.side);
        const what = isKilled ? "was killed" : "is not ours to kill";
        this.#injected(report, `the ${action.side} ${what}`);
        return forward(frame);
      }
      case "change":
        return this.#change(action.change, event, frame, forward, report);
    }
  }

  async #change(
    change: (event: MessageEvent, frame: Frame) => Changed,
    event: MessageEvent,
    frame: Frame,
    forward: Forward,
    report: Report,
  ): Promise<void> {
    let changed: Changed;
    try {
      changed = change(event, frame);
    } catch (error) {
      report(`not injected: ${asError(error).message}`);
      return forward(frame);
    }
    this.#injected(report, actionOf(this.injection.text), changed.frame);
    await sendAndClose(changed.frame, forward, changed.made);
  }

  /** Aborts at the end of a session, or of the trace: what is delayed holds descriptors. */
  #endOf(session: number): AbortSignal {
    const known = this.#delays.get(session) ?? new AbortController();
    this.#delays.set(session, known);
    return AbortSignal.any([known.signal, this.#closing.signal]);
  }

  #discard(key: string): void {
    for (const fd of this.#held.get(key)?.frame.fds ?? []) fd.close();
    this.#held.delete(key);
  }
}

/** Sends a frame; `owned` are closed whatever happens. */
async function sendAndClose(
  frame: Frame,
  forward: Forward,
  owned: readonly OwnedFd[],
): Promise<void> {
  const closed = [...owned];
  try {
    await forward(frame);
  } finally {
    for (const fd of closed) fd.close();
  }
}

/** The action of a fault as it was given. */
function actionOf(text: string): string {
  return text.slice(text.indexOf(":") + 1).replace(/:when=.*$/, "");
}
