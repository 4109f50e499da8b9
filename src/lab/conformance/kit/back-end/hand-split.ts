import { counted, needsEvent } from "../../../../core/base/index.ts";
import { VirtioFeature } from "../../../../core/protocol/index.ts";
import { type RawDescriptor, RawSplitRing, type UsedElement } from "../../../wire/index.ts";
import type { CheckContext } from "./context.ts";
import { CaseFailure } from "../../../engine/index.ts";
import type { RunningDevice, BringUpOptions } from "./running-device.ts";
import type { KitRequest } from "./kit.ts";
import { descriptorsOf } from "./descriptors.ts";
import type { Ring } from "./ring.ts";
import type { Session } from "./session.ts";
import { soon } from "./soon.ts";

/** A running device whose request ring the check drives itself. */
export interface DeviceByHand extends RunningDevice {
  readonly hand: HandSplit;
}

/**
 * Brings a device up, like {@link CheckContext.bringUp}; the ring's driver half must no longer be
 * used.
 */
export async function bringUpByHand(
  t: CheckContext,
  options: BringUpOptions = {},
): Promise<DeviceByHand> {
  const device = await t.bringUp(options);
  return { ...device, hand: new HandSplit(t, device.session, device.ring) };
}

/** A split ring that a check lays out word by word, within the rules or not. */
export class HandSplit extends RawSplitRing {
  readonly #t: CheckContext;
  readonly #session: Session;
  readonly #ring: Ring;
  readonly #eventIdx: boolean;

  constructor(t: CheckContext, session: Session, ring: Ring) {
    super(ring.queue.raw);
    this.#t = t;
    this.#session = session;
    this.#ring = ring;
    this.#eventIdx = (session.virtio & VirtioFeature.EventIdx) !== 0n;
  }

  /**
   * Makes chains available, all at once, without a kick.
   *
   * @returns whether the device wants one
   */
  makeAvailable(...heads: readonly number[]): boolean {
    const before = this.available;
    this.publish(...heads);
    if (!this.#eventIdx) return (Atomics.load(this.words.used16, 0) & 1) === 0;
    const event = Atomics.load(this.words.used16, this.words.availEventIndex);
    return needsEvent(event, this.available, before);
  }

  override take(): UsedElement | undefined {
    const used = super.take();
    if (used !== undefined) this.#t.observe("completion");
    return used;
  }

  /** Makes chains available and kicks. */
  offer(...heads: readonly number[]): void {
    this.makeAvailable(...heads);
    this.#t.exchange.note(
      this.#session.name,
      `ring ${this.#ring.index}: chains with heads ${heads.join(", ")} made available`,
    );
    this.#ring.kick.signal();
  }

  /** Waits for {@link take}; undefined after the time, "closed" if the connection ends. */
  async next(
    timeoutMs: number = this.#t.times.callMs,
  ): Promise<UsedElement | "closed" | undefined> {
    const found = await soon(
      () => this.take() ?? (this.#session.closed ? "closed" : undefined),
      timeoutMs,
    );
    if (typeof found === "object") {
      this.#t.exchange.note(
        this.#session.name,
        `ring ${this.#ring.index}: chain with head ${found.id} used, ${counted(found.length, "byte")} written`,
      );
    }
    return found;
  }

  /**
   * Waits for a used element, which must come.
   *
   * @throws {CaseFailure}
   */
  async expectUsed(what: string): Promise<UsedElement> {
    const next = await this.next();
    if (typeof next === "object") return next;
    throw new CaseFailure(what, {
      expected: `a used element on ring ${this.#ring.index}`,
      actual:
        next === "closed"
          ? "the end of the connection"
          : `nothing within ${this.#t.times.callMs} ms; ${this.#state()}`,
    });
  }

  /**
   * Makes one chain available and waits for its completion.
   *
   * @returns undefined: no error; otherwise what was wrong
   */
  async attempt(head: number, { wrong }: KitRequest): Promise<string | undefined> {
    this.offer(head);
    const next = await this.next();
    if (next === "closed") return "the end of the connection";
    if (next === undefined) return `nothing within ${this.#t.times.callMs} ms`;
    return next.id === head ? wrong(next.length) : `used id ${next.id} instead of ${head}`;
  }

  /**
   * Makes a chain available, which must be completed without an error.
   *
   * @throws {CaseFailure}
   */
  async expectServed(
    what: string,
    request: KitRequest,
    descriptors: readonly RawDescriptor[] = descriptorsOf(request),
    at: number | readonly number[] = 0,
  ): Promise<void> {
    const wrong = await this.attempt(this.chain(descriptors, at), request);
    this.#t.expect(what, wrong ?? "completed without an error", "completed without an error");
  }

  /**
   * Gives the target a short time to see chains that it does not have to serve,
   * unless it reacts earlier.
   */
  async digested(): Promise<UsedElement | "closed" | "error" | undefined> {
    return soon(() => {
      const used = this.take();
      if (used !== undefined) return used;
      if (this.#session.closed) return "closed";
      return this.#ring.error.drain() ? "error" : undefined;
    }, this.#t.times.graceMs);
  }

  #state(): string {
    return `available index ${this.available}, used index ${Atomics.load(this.words.used16, 1)}`;
  }
}
