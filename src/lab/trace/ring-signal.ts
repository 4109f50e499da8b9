import type { EventFd, OwnedFd } from "../../core/os/index.ts";
import { EventRelay } from "../wire/index.ts";
import type { SignalKind } from "./ring-event.ts";

/** The fate of a kick or a call. */
export type SignalFate =
  { readonly kind: "pass" | "drop" } | { readonly kind: "delay"; readonly ms: number };

/** Signals of one ring that are delayed at the same time; further ones merge with the last. */
const MAX_DELAYED = 1024;

/** The kick or the call of one ring, through an event descriptor of our own. */
export class RingSignal {
  readonly #kind: SignalKind;
  readonly #relay: EventRelay;
  readonly #delayed = new Set<NodeJS.Timeout>();

  /**
   * @param peer the descriptor that came, taken over; `own` replaces it
   * @throws SystemError no descriptor is free; both are closed
   */
  constructor(
    kind: SignalKind,
    peer: EventFd,
    own: EventFd,
    decide: (signals: number) => SignalFate,
  ) {
    this.#kind = kind;
    const [from, to] = kind === "kick" ? [peer, own] : [own, peer];
    this.#relay = new EventRelay(from, to, (signals) => this.#signalled(decide(signals)));
  }

  /** Duplicates the descriptor for the back-end, which reads kicks and signals calls. */
  duplicate(): OwnedFd {
    return this.#kind === "kick" ? this.#relay.receiver() : this.#relay.sender();
  }

  /** Hands on what was signalled until now. */
  flush(): void {
    this.#relay.flush();
  }

  /** Kicks are the front-end's again, those that wait included. */
  pause(): void {
    this.#passDelayed();
    this.#relay.pause();
  }

  resume(): void {
    this.#relay.resume();
  }

  /** Ends it without losing a signal. Idempotent. */
  end(): void {
    if (this.#kind === "kick") this.pause();
    else {
      this.#relay.flush();
      this.#passDelayed();
    }
    this.#relay.close();
  }

  #signalled(fate: SignalFate): void {
    if (fate.kind === "pass") this.#relay.pass();
    if (fate.kind !== "delay" || this.#delayed.size >= MAX_DELAYED) return;
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      this.#relay.pass();
    }, fate.ms);
    this.#delayed.add(timer.unref());
  }

  #passDelayed(): void {
    if (this.#delayed.size > 0) this.#relay.pass();
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#delayed.clear();
  }
}
