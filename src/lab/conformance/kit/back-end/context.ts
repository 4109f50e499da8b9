import { asError, delay } from "../../../../core/base/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";
import { KnownContent } from "./known-content.ts";
import type { RequestKit, KitRequest } from "./kit.ts";
import { SuiteMemory, type SuiteMemoryOptions } from "./memory.ts";
import { bringUp } from "./bring-up.ts";
import type { RunningDevice, BringUpOptions } from "./running-device.ts";
import { Ring, type RingOptions } from "./ring.ts";
import { Session } from "./session.ts";
import { Exchange } from "../exchange.ts";
import type { Facts } from "./facts.ts";
import { CaseFailure, CaseSkip } from "../../../engine/index.ts";
import { Findings } from "../findings.ts";
import { endText, type Target } from "../../targets/target.ts";
import type { Times } from "../times.ts";

/** Equal counts in sequence after which a target's descriptors count as settled. */
const SETTLED = 4;
const LOOK_MS = 10;

/** Acknowledged by default. */
const USUAL_VIRTIO = VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures;
const USUAL_PROTOCOL = ProtocolFeature.Mq | ProtocolFeature.ReplyAck | ProtocolFeature.Config;

/**
 * The interface of a check: the target, primitives, and the record of findings.
 *
 * @example
 * ```ts
 * import type { Check } from "vhost-user/conformance";
 *
 * const check: Check = {
 *   id: "mine/1",
 *   title: "GET_FEATURES offers VIRTIO_F_VERSION_1",
 *   strength: "SHOULD",
 *   section: "VIRTIO 6.1",
 *   observes: ["reply"],
 *   async run(t) {
 *     const session = await t.negotiatedSession();
 *     const offered = session.virtio & (1n << 32n);
 *     t.expectThat("bit 32", offered !== 0n, "offered", "not offered");
 *   },
 * };
 * console.log(check.id);
 * ```
 */
export class CheckContext extends Findings {
  readonly target: Target;
  readonly facts: Facts;
  readonly times: Times;
  /** The source of random numbers, which depends on the seed. */
  readonly random: () => number;
  /**
   * True if requests of this device type only prove that a chain was used, and nothing about its
   * data.
   */
  isBlind = false;
  readonly #content: KnownContent;
  readonly #kit: RequestKit | undefined;
  readonly #closing: { close(): void }[] = [];
  #sessions: Session[] = [];
  #endedByTarget = false;
  /** A check that timed out may still run: it must not start anything. */
  #closed = false;
  #count = 0;

  /** @param options with `content`, what the target keeps, so that requests can be compared with it */
  constructor(options: {
    target: Target;
    facts: Facts;
    times: Times;
    random: () => number;
    content?: KnownContent;
  }) {
    super(new Exchange(options.facts.device));
    const { content = new KnownContent(), facts } = options;
    this.#content = content;
    this.#kit = facts.kit && content.comparing(facts.kit, this);
    this.target = options.target;
    this.facts = options.facts;
    this.times = options.times;
    this.random = options.random;
  }

  /**
   * Opens a connection.
   *
   * @param reading whether replies are read
   * @throws {CaseFailure}
   */
  async connect(reading = true): Promise<Session> {
    this.#count += 1;
    const name = `s${this.#count}`;
    let socket;
    try {
      socket = await this.target.connect({ timeoutMs: this.times.againMs });
    } catch (error) {
      const actual = asError(error).message;
      throw new CaseFailure("a new connection", {
        grade: "FAIL",
        expected: "the target to accept it",
        actual,
      });
    }
    if (this.#closed) {
      socket.close();
      throw new Error("the check is over");
    }
    const session = new Session(name, socket, this.exchange, this.times);
    this.#sessions.push(session);
    this.exchange.note(name, "connected");
    this.#content.meets(this.target.process?.pid);
    if (reading) session.read();
    return session;
  }

  /**
   * Opens a session: GET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_OWNER,
   * SET_FEATURES.
   *
   * @param virtio to acknowledge, of what is offered
   * @param protocol the same
   * @throws {CaseFailure} it is not accepted
   */
  async negotiatedSession(virtio = USUAL_VIRTIO, protocol = USUAL_PROTOCOL): Promise<Session> {
    return this.exchange.settingUp(async () => {
      const session = await this.connect();
      await this.negotiate(session, virtio, protocol);
      return session;
    });
  }

  /** Negotiates on an open session, like {@link negotiatedSession}. */
  async negotiate(
    session: Session,
    virtio = USUAL_VIRTIO,
    protocol = USUAL_PROTOCOL,
  ): Promise<void> {
    const offered = await session.call(FrontendRequest.GetFeatures);
    if ((offered & VirtioFeature.ProtocolFeatures) !== 0n) {
      const features = await session.call(FrontendRequest.GetProtocolFeatures);
      session.protocol = 0n;
      await session.set(FrontendRequest.SetProtocolFeatures, protocol & features);
      session.protocol = protocol & features;
    }
    await session.set(FrontendRequest.SetOwner);
    await session.set(FrontendRequest.SetFeatures, virtio & offered);
    session.virtio = virtio & offered;
  }

  /** Creates memory to share. */
  createMemory(options: SuiteMemoryOptions = {}): SuiteMemory {
    return this.closing(new SuiteMemory(options));
  }

  /**
   * Sends SET_MEM_TABLE.
   *
   * @throws {CaseFailure}
   */
  async share(session: Session, memory: SuiteMemory): Promise<void> {
    await session.set(FrontendRequest.SetMemTable, memory.table, memory.fds);
  }

  /** Creates a ring, without setting it up. */
  ring(session: Session, memory: SuiteMemory, index: number, options: RingOptions = {}): Ring {
    return this.closing(new Ring(index, session, memory, this, options));
  }

  /**
   * Brings a device up: {@link negotiatedSession}, {@link createMemory}, and the rings that it needs.
   *
   * @throws {CaseFailure} a step is not accepted; {@link CaseSkip} the device type is not known
   */
  async bringUp(options: BringUpOptions = {}): Promise<RunningDevice> {
    return this.exchange.settingUp(async () => bringUp(this, options));
  }

  /**
   * Sends a harmless request, which must be completed without an error.
   *
   * @throws {CaseFailure}
   */
  async request(
    ring: Ring,
    memory: SuiteMemory,
    request: KitRequest = this.kit.request(memory),
  ): Promise<void> {
    ring.push(request.readable, request.writable);
    this.expectAnswer(request, await ring.expectCompletion("a request"));
  }

  /**
   * Judges the answer to a request of the kit that was completed.
   *
   * @throws {CaseFailure} it is wrong
   */
  expectAnswer({ wrong }: KitRequest, { length }: { readonly length: number }): void {
    const fault = wrong(length);
    if (fault === undefined) return;
    throw new CaseFailure("a request", {
      expected: `what a ${this.kit.kind.name} device answers`,
      actual: fault,
    });
  }

  /** The features that {@link negotiatedSession} acknowledges by default. */
  get usualVirtio(): bigint {
    return USUAL_VIRTIO & this.facts.virtio;
  }

  get hasKit(): boolean {
    return this.facts.kit !== undefined;
  }

  /**
   * The kit of the device type.
   *
   * @throws {CaseSkip} the type is not known
   */
  get kit(): RequestKit {
    const kit = this.#kit;
    if (kit === undefined) throw new CaseSkip("the suite knows no request for this device type");
    return kit;
  }

  /**
   * Opens a new session. The check's other sessions are closed first: many targets serve
   * one at a time.
   *
   * @throws {CaseFailure}
   */
  async newSession(): Promise<Session> {
    this.closeSessions();
    try {
      const session = await this.negotiatedSession();
      this.observe("service");
      return session;
    } catch (error) {
      if (!(error instanceof CaseFailure)) throw error;
      const end = this.target.process?.end;
      const actual = end ? `the process ${endText(end)}` : (error.actual ?? "");
      throw new CaseFailure(`a new session is not served: ${error.message}`, {
        grade: "FAIL",
        expected: "a clean session after this one",
        actual,
      });
    }
  }

  /**
   * Checks the rule for hostile input: the target answers, or closes and serves a new session;
   * memory that the target may not write to is untouched.
   *
   * @throws {CaseFailure}
   */
  async survive(session: Session, memory?: SuiteMemory): Promise<void> {
    if (session.closed || !(await session.alive())) await this.newSession();
    const damage = memory?.damage();
    if (damage !== undefined)
      this.fail("memory was written to", "poison, untouched", damage, "FAIL");
  }

  /**
   * Returns the number of the target's open descriptors, once it has settled.
   *
   * @throws {CaseSkip}
   */
  async descriptors(): Promise<number> {
    return this.#settled("descriptors");
  }

  /**
   * Returns the number of the target's shared mappings, once it has settled: guest memory, and what
   * else it shares. Private mappings are not counted: the allocator creates and removes them.
   *
   * @throws {CaseSkip} the process cannot be looked at
   */
  async mappings(): Promise<number> {
    return this.#settled("sharedMappings");
  }

  /** @throws {CaseFailure} the target holds more descriptors than before */
  async expectDescriptors(before: number): Promise<void> {
    const now = await this.#settled("descriptors", before);
    if (now > before) this.fail("descriptors leak", `${before} open descriptors`, now, "FAIL");
  }

  /** @throws {CaseFailure} the target holds more shared mappings than before */
  async expectMappings(before: number): Promise<void> {
    const now = await this.#settled("sharedMappings", before);
    if (now > before) this.fail("mappings leak", `at most ${before} shared mappings`, now, "FAIL");
  }

  /** @param goal the count or fewer to wait for; default: any count that has settled */
  async #settled(name: "descriptors" | "sharedMappings", goal?: number): Promise<number> {
    if (this.facts.oneSession) throw new CaseSkip("the target's process ends with each session");
    const deadline = performance.now() + this.times.settleMs;
    for (let last = -1, same = 0; ; await delay(LOOK_MS)) {
      const now = this.target.process?.figures()?.[name];
      if (now === undefined) throw new CaseSkip("the target's process cannot be looked at");
      this.observe("figures");
      same = now === last ? same + 1 : 0;
      last = now;
      // Between two sessions a target may hold fewer than it has when it is idle.
      const enough = same >= SETTLED && (goal === undefined || now <= goal);
      if (enough || performance.now() >= deadline) return now;
    }
  }

  /** Closes a resource at the end of the check. */
  closing<T extends { close(): void }>(resource: T): T {
    this.#closing.push(resource);
    return resource;
  }

  /** Returns whether the target closed a connection, perhaps because its process ended. */
  get endedByTarget(): boolean {
    return this.#endedByTarget || this.#sessions.some((session) => session.endedByTarget);
  }

  closeSessions(): void {
    this.#endedByTarget = this.endedByTarget;
    for (const session of this.#sessions) session.close();
    this.#sessions = [];
  }

  close(): void {
    this.#closed = true;
    this.closeSessions();
    for (const resource of this.#closing.reverse()) resource.close();
    this.#closing.length = 0;
  }
}
