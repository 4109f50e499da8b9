import { counted } from "../../../../core/base/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import { EventFd, type OwnedFd } from "../../../../core/os/index.ts";
import {
  FrontendRequest,
  VirtioFeature,
  type VringAddress,
} from "../../../../core/protocol/index.ts";
import {
  createDriverQueue,
  type DriverQueue,
  SegmentList,
} from "../../../../core/virtqueue/index.ts";
import type { Exchange } from "../exchange.ts";
import { CaseFailure } from "../../../engine/index.ts";
import type { Times } from "../times.ts";
import type { SuiteMemory } from "./memory.ts";
import type { Session } from "./session.ts";
import { soon } from "./soon.ts";

const MAX_SEGMENTS = 64;

export interface RingOptions {
  /** Number of entries. Default 16. */
  readonly size?: number;
  /** Chains are laid out in indirect tables, where VIRTIO_RING_F_INDIRECT_DESC was acknowledged. */
  readonly indirect?: boolean;
  /** The first index of a split ring, also for SET_VRING_BASE. Default 0. */
  readonly base?: number;
}

/** A message of a ring's set-up. */
export interface RingStep {
  readonly request: FrontendRequest;
  readonly payload: unknown;
  readonly fds: readonly OwnedFd[];
}

/** A completion of the target. */
export interface Completion {
  readonly token: number;
  /** Bytes, and never more than are writable: how far the answer may be read. */
  readonly written: number;
  /** Bytes, as the used ring has it. */
  readonly length: number;
  /** The look at the used ring, counted, that found it: what is published together is seen together. */
  readonly look: number;
}

/** A ring of the suite's: driver half, descriptors, and the messages that set it up. */
export class Ring {
  readonly index: number;
  readonly size: number;
  readonly queue: DriverQueue;
  readonly error: EventFd = EventFd.create();
  /** A check may replace these two descriptors, and then closes the previous ones. */
  kick: EventFd = EventFd.create();
  call: EventFd = EventFd.create();
  readonly #events: readonly EventFd[];
  #session: Session;
  readonly #exchange: Exchange;
  readonly #times: Times;
  readonly #segments = new SegmentList(MAX_SEGMENTS);
  readonly #done: Completion[] = [];
  #tokens = 0;
  #looks = 0;

  constructor(
    index: number,
    session: Session,
    memory: SuiteMemory,
    surroundings: { exchange: Exchange; times: Times },
    options: RingOptions = {},
  ) {
    const { size = 16 } = options;
    this.#events = [this.kick, this.call, this.error];
    const has = (bit: bigint): boolean => (session.virtio & bit) !== 0n;
    this.index = index;
    this.size = size;
    this.#session = session;
    this.#exchange = surroundings.exchange;
    this.#times = surroundings.times;
    this.queue = createDriverQueue({
      size,
      base: options.base,
      memory,
      features: {
        eventIdx: has(VirtioFeature.EventIdx),
        indirect: options.indirect === true && has(VirtioFeature.IndirectDesc),
        packed: has(VirtioFeature.RingPacked),
      },
    });
  }

  get address(): VringAddress {
    const { descriptors, driver, device } = this.queue.parts;
    // User addresses, guest addresses with GPA_ADDRESSES, or I/O virtual ones: the memory knows.
    return {
      index: this.index,
      flags: 0,
      descriptor: descriptors.ringAddress,
      available: driver.ringAddress,
      used: device.ringAddress,
      log: 0n,
    };
  }

  /** The messages that set it up, in order; the last one starts it. */
  get steps(): readonly RingStep[] {
    const { index } = this;
    const fd = { index, noFd: false };
    const step = (request: FrontendRequest, payload: unknown, fds: readonly OwnedFd[] = []) => ({
      request,
      payload,
      fds,
    });
    return [
      step(FrontendRequest.SetVringNum, { index, num: this.size }),
      step(FrontendRequest.SetVringBase, { index, num: this.queue.base }),
      step(FrontendRequest.SetVringAddr, this.address),
      step(FrontendRequest.SetVringCall, fd, [this.call.descriptor]),
      step(FrontendRequest.SetVringErr, fd, [this.error.descriptor]),
      step(FrontendRequest.SetVringKick, fd, [this.kick.descriptor]),
    ];
  }

  /**
   * Sets it up, starts it, kicks once.
   *
   * @throws {CaseFailure} a step was not accepted
   */
  async start(): Promise<void> {
    await this.setUp();
    this.kick.signal();
  }

  /**
   * Takes these {@link steps} in order.
   *
   * @throws {CaseFailure}
   */
  async send(...requests: readonly FrontendRequest[]): Promise<void> {
    for (const each of requests) {
      const { request, payload, fds } = this.step(each);
      await this.#session.set(request, payload, fds);
    }
  }

  /**
   * The {@link steps} again, from where GET_VRING_BASE said.
   *
   * @param kick true if the ring is kicked once, as a front-end should
   * @throws {CaseFailure}
   */
  async restart(base: number, kick = true): Promise<void> {
    for (const { request, payload, fds } of this.steps) {
      const from = { index: this.index, num: base };
      const what = request === FrontendRequest.SetVringBase ? from : payload;
      await this.#session.set(request, what, fds);
    }
    if (kick) this.kick.signal();
  }

  /** The used index of a split ring; undefined for a packed ring. */
  get usedIndex(): number | undefined {
    const { raw } = this.queue;
    return raw.format === "split" ? Atomics.load(raw.used16, 1) : undefined;
  }

  /** Moves the ring with its requests to another connection. */
  moveTo(session: Session): void {
    this.#session = session;
  }

  /** Returns one of the {@link steps}. */
  step(request: FrontendRequest): RingStep {
    const found = this.steps.find((each) => each.request === request);
    if (found === undefined) throw new TypeError(`request ${request} is not a step of a ring`);
    return found;
  }

  /**
   * {@link start} without some of the steps, and without the kick.
   *
   * @returns the session, for what is left to do
   * @throws {CaseFailure}
   */
  async setUp(...without: readonly FrontendRequest[]): Promise<Session> {
    for (const { request, payload, fds } of this.steps) {
      if (!without.includes(request)) await this.#session.set(request, payload, fds);
    }
    return this.#session;
  }

  /**
   * SET_VRING_ENABLE.
   *
   * @throws {CaseFailure}
   */
  async enable(on = true): Promise<void> {
    const payload = { index: this.index, num: on ? 1 : 0 };
    await this.#session.set(FrontendRequest.SetVringEnable, payload);
  }

  /**
   * Stops the ring (GET_VRING_BASE).
   *
   * @returns the base.
   * @throws {CaseFailure}
   */
  async stop(): Promise<number> {
    const payload = { index: this.index, num: 0 };
    return (await this.#session.call(FrontendRequest.GetVringBase, payload)).num;
  }

  /**
   * Makes a chain available, without a kick.
   *
   * @returns its token
   */
  add(readable: readonly GuestBuffer[], writable: readonly GuestBuffer[]): number {
    this.#segments.clear();
    for (const buffer of [...readable, ...writable]) {
      this.#segments.pushPart(buffer, 0, buffer.bytes.length);
    }
    const token = this.#tokens++;
    if (!this.queue.add(this.#segments, readable.length, token)) {
      throw new Error(`the check's ring of ${counted(this.size, "entry", "entries")} is full`);
    }
    this.queue.publish();
    this.#exchange.note(
      this.#session.name,
      `ring ${this.index}: chain ${token} made available (${readable.length} readable, ` +
        `${writable.length} writable)`,
    );
    return token;
  }

  /** Makes a chain available and kicks. */
  push(readable: readonly GuestBuffer[], writable: readonly GuestBuffer[]): number {
    const token = this.add(readable, writable);
    this.kick.signal();
    return token;
  }

  /**
   * The next completion, whether or not there was a call; undefined if none within the time.
   *
   * @throws {CaseFailure} the used ring breaks its rules
   */
  async completion(timeoutMs: number = this.#times.callMs): Promise<Completion | undefined> {
    const found = await soon(() => {
      this.#poll();
      return this.#done.shift() ?? (this.#session.closed ? "closed" : undefined);
    }, timeoutMs);
    return found === "closed" ? undefined : found;
  }

  /**
   * Waits for a {@link completion}, which must come.
   *
   * @throws {CaseFailure}
   */
  async expectCompletion(what: string): Promise<Completion> {
    const done = await this.completion();
    if (done !== undefined) return done;
    throw new CaseFailure(what, {
      expected: `a completion on ring ${this.index}`,
      actual: this.#session.closed
        ? "the end of the connection"
        : `nothing within ${this.#times.callMs} ms; ${this.#state()}`,
    });
  }

  /** Returns whether the call, or another one, was signalled within the time, or before. */
  async called(timeoutMs: number = this.#times.callMs, or?: EventFd): Promise<boolean> {
    const found = await soon(() => this.call.drain() || or?.drain() || undefined, timeoutMs);
    if (found === true) this.#exchange.observe("call");
    return found === true;
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    for (const event of this.#events) event.close();
  }

  #poll(): void {
    const look = this.#looks++;
    let seen = this.queue.overlongCompletions;
    this.queue.poll((token, written) => {
      const { overlongCompletions, overlongLength } = this.queue;
      const overlong = overlongCompletions > seen;
      seen = overlongCompletions;
      const length = overlong ? overlongLength : written;
      this.#done.push({ token, written, length, look });
      this.#exchange.observe("completion");
      const more = overlong ? `, of which ${written} are writable` : "";
      this.#exchange.note(
        this.#session.name,
        `ring ${this.index}: chain ${token} used, ${counted(length, "byte")} written${more}`,
      );
    }, this.size);
    const { broken } = this.queue;
    if (broken === undefined) return;
    throw new CaseFailure(`ring ${this.index}: the used ring breaks VIRTIO ${broken.section}`, {
      grade: "FAIL",
      expected: "a used ring within the rules",
      actual: broken.reason,
    });
  }

  #state(): string {
    const { raw } = this.queue;
    if (raw.format === "packed") return `${counted(this.queue.outstanding, "chain")} outstanding`;
    const available = Atomics.load(raw.available, 1);
    return `available index ${available}, used index ${Atomics.load(raw.used16, 1)}`;
  }
}
