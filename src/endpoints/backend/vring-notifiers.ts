import { asError } from "../../core/base/index.ts";
import type { EventFd, OwnedFd } from "../../core/os/index.ts";
import { MessageEvent } from "./message-event.ts";
import { adoptEvent, signalQuietly } from "./ring-events.ts";

/** In-band notifications to the front-end. */
export interface RingMessages {
  vringCall(index: number): Promise<void>;
  vringErr(index: number): Promise<void>;
}

export interface VringNotifierOptions {
  readonly index: number;
  /** Where calls and errors go that have no descriptor; undefined if nowhere. */
  readonly messages: () => RingMessages | undefined;
  /** A message was not taken. */
  readonly onProblem: (problem: Error) => void;
}

/**
 * How a ring's two sides wake each other: the descriptors that the front-end gave, or messages
 * where in-band notifications were negotiated and it has said nothing of a descriptor.
 */
export class VringNotifiers {
  readonly #options: VringNotifierOptions;
  /** Undefined if the ring is polled. */
  kick: EventFd | undefined;
  #call: EventFd | undefined;
  #error: EventFd | undefined;
  #messages: MessageEvent | undefined;
  /** The front-end has said how it wants them, if at all. */
  #callSaid = false;
  #errorSaid = false;

  constructor(options: VringNotifierOptions) {
    this.#options = options;
  }

  get call(): EventFd | undefined {
    return this.#call;
  }

  /** The ring starts: without a descriptor for calls they become messages. */
  callByMessage(): void {
    const { index, messages, onProblem } = this.#options;
    const target = messages();
    if (target === undefined || this.#callSaid || this.#call !== undefined) return;
    this.#messages = new MessageEvent(
      async () => target.vringCall(index),
      (error) => onProblem(asError(error)),
    );
    this.#call = this.#messages.event;
  }

  /** Returns the previous call, to be closed once no thread uses it any more. */
  exchangeCall(call: EventFd | undefined): EventFd | undefined {
    const before = this.#call;
    this.#callSaid = true;
    this.#call = call;
    this.#flushMessages();
    return before;
  }

  /** SET_VRING_ERR */
  setError(fd: OwnedFd | undefined): void {
    const error = adoptEvent(fd);
    this.#errorSaid = true;
    this.#error?.close();
    this.#error = error;
  }

  signalCall(): void {
    signalQuietly(this.#call);
  }

  signalError(): void {
    signalQuietly(this.#error);
    if (this.#errorSaid) return;
    const { index, messages, onProblem } = this.#options;
    messages()?.vringErr(index).catch(onProblem);
  }

  /** GET_VRING_BASE: a new start needs new descriptors. */
  stop(): void {
    this.#flushMessages();
    this.#callSaid = false;
    this.kick?.close();
    this.#call?.close();
    this.kick = undefined;
    this.#call = undefined;
  }

  close(): void {
    this.#messages?.close();
    for (const event of [this.kick, this.#call, this.#error]) event?.close();
  }

  #flushMessages(): void {
    this.#messages?.flush();
    this.#messages = undefined;
  }
}
