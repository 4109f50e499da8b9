import { asError } from "../../core/base/index.ts";
import type { EventFd, OwnedFd } from "../../core/os/index.ts";
import { MessageEvent } from "./message-event.ts";
import { adoptEvent, signalQuietly } from "./ring-events.ts";

/** Sends in-band notifications to the front-end. */
export interface RingMessages {
  vringCall(index: number): Promise<void>;
  vringErr(index: number): Promise<void>;
}

export interface VringNotifierOptions {
  readonly index: number;
  /**
   * Returns the in-band notifications, for calls and errors without a descriptor; undefined if they
   * were not negotiated.
   */
  readonly messages: () => RingMessages | undefined;
  /** A message was not taken. */
  readonly onProblem: (problem: Error) => void;
}

/**
 * The notifications between the sides of a ring: the front-end's descriptors, or messages if
 * in-band notifications were negotiated and the front-end sent no descriptor.
 */
export class VringNotifiers {
  readonly #options: VringNotifierOptions;
  /** The kick descriptor; undefined if the ring is polled. */
  kick: EventFd | undefined;
  #call: EventFd | undefined;
  #error: EventFd | undefined;
  #messages: MessageEvent | undefined;
  /** True once the front-end has sent SET_VRING_CALL, with or without a descriptor. */
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

  /** Drops the descriptors when the ring stops (GET_VRING_BASE): a new start needs new ones. */
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
