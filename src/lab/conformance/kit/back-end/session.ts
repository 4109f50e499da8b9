import { counted, delay } from "../../../../core/base/index.ts";
import type { OwnedFd, UnixSocket } from "../../../../core/os/index.ts";
import {
  decodeLenient,
  type Direction,
  FrontendRequest,
  type Header,
  HeaderFlag,
  type PayloadOf,
  ProtocolFeature,
  type ReplyOf,
  requestSpec,
} from "../../../../core/protocol/index.ts";
import { Flags, RawPeer, type Received, type SendOptions } from "../../../wire/index.ts";
import type { Exchange } from "../exchange.ts";
import { CaseFailure } from "../../../engine/index.ts";
import type { Times } from "../times.ts";

/** The outcome of a request. */
export interface Attempt {
  /** The acknowledgement; undefined if none came, or none was due. */
  readonly ack: bigint | undefined;
  /** True if the connection was served afterwards. */
  readonly alive: boolean;
}

/** A front-end's connection that sends any bytes and records all messages. */
export class Session extends RawPeer {
  readonly name: string;
  /** Features that were acknowledged on this connection. */
  virtio = 0n;
  protocol = 0n;
  readonly #times: Times;
  readonly #exchange: Exchange;

  /** @param direction whose requests travel: on a back-end's own channel the suite is the back-end */
  constructor(
    name: string,
    socket: UnixSocket,
    exchange: Exchange,
    times: Times,
    direction: Direction = "front-end",
  ) {
    super(socket, {
      direction,
      timeoutMs: times.answerMs,
      name: "the suite",
      observe: {
        message: (way, { header, payload }, fds) =>
          exchange.message(name, way, header, payload, fds, direction),
        event: (text) => exchange.note(name, text),
      },
    });
    this.name = name;
    this.#times = times;
    this.#exchange = exchange;
  }

  /** Closed, and not by the suite. */
  get endedByTarget(): boolean {
    return this.closed && this.closeReason?.by !== "local";
  }

  /** Sends bytes cut at these positions, with a moment between the parts. */
  async sendParts(
    bytes: Uint8Array,
    cuts: readonly number[],
    note: string,
    fds: readonly OwnedFd[] = [],
    fdsWith = 0,
  ): Promise<void> {
    await this.sendInParts(bytes, { cuts, gapMs: this.#times.gapMs, fds, fdsWith, note });
  }

  /**
   * The next message, which must be there.
   *
   * @throws {CaseFailure} the connection ended, or nothing came
   */
  async expectNext(what: string): Promise<Received> {
    const next = await this.next();
    if (typeof next !== "string") return next;
    const actual =
      next === "closed" ? this.#closeText() : `nothing within ${this.#times.answerMs} ms`;
    throw new CaseFailure(what, { expected: "an answer", actual });
  }

  /**
   * A message, or the end of the connection: what anything may be met with.
   *
   * @throws {CaseFailure} neither: the target hangs
   */
  async answerOrEnd(
    what: string,
    timeoutMs: number = this.#times.answerMs,
  ): Promise<Received | "closed"> {
    const next = await this.next(timeoutMs);
    if (next === "silence") throw hang(what, timeoutMs);
    if (next === "closed") this.#exchange.observe("closed");
    return next;
  }

  /**
   * Asks and waits for the request's own reply; judges only what cannot be misunderstood (libvhost-user
   * echoes need_reply).
   *
   * @throws {CaseFailure}
   */
  async call<R extends FrontendRequest>(
    request: R,
    ...[payload, fds]: PayloadOf<R> extends void
      ? [payload?: undefined, fds?: readonly OwnedFd[]]
      : [payload: PayloadOf<R>, fds?: readonly OwnedFd[]]
  ): Promise<ReplyOf<R>> {
    await this.send(request, payload, fds === undefined ? {} : { fds });
    const name = nameOf(request);
    const { header, payload: bytes } = await this.expectNext(name);
    expectReply(name, request, header);
    const codec = requestSpec("front-end", request)?.reply.codec;
    if (codec === undefined) throw new TypeError(`${name} has no reply`);
    if (bytes.length < codec.minSize) {
      const expected = `a payload of ${counted(codec.minSize, "byte")}`;
      throw new CaseFailure(`${name}: the reply is too short`, {
        expected,
        actual: counted(bytes.length, "byte"),
      });
    }
    return decodeLenient(codec, bytes) as ReplyOf<R>;
  }

  /** Returns whether need_reply is answered on this connection. */
  get acknowledges(): boolean {
    return (this.protocol & ProtocolFeature.ReplyAck) !== 0n;
  }

  /**
   * Sends a request that has no reply of its own, asks for an acknowledgement where that was
   * negotiated, and finds out whether the connection lives on.
   *
   * @throws {CaseFailure} neither an answer nor the end of the connection: the target hangs
   */
  async attempt(request: number, payload?: unknown, options: SendOptions = {}): Promise<Attempt> {
    const flags = options.flags ?? (this.acknowledges ? Flags.NeedReply : Flags.Request);
    await this.send(request, payload, { ...options, flags });
    let ack: bigint | undefined;
    if (this.acknowledges && (flags & HeaderFlag.NeedReply) !== 0) {
      const next = await this.answerOrEnd(nameOf(request));
      if (next === "closed") return { ack: undefined, alive: false };
      expectReply(nameOf(request), request, next.header);
      ack = Buffer.from(next.payload).readBigUInt64LE(0);
    }
    return { ack, alive: await this.alive() };
  }

  /**
   * A step that a check needs on its way: it must be accepted.
   *
   * @throws {CaseFailure}
   */
  async set(request: number, payload?: unknown, fds: readonly OwnedFd[] = []): Promise<void> {
    const flags = this.acknowledges ? Flags.NeedReply : Flags.Request;
    await this.send(request, payload, { flags, fds });
    if (!this.acknowledges) return;
    const name = nameOf(request);
    const { header, payload: bytes } = await this.expectNext(name);
    expectReply(name, request, header);
    const ack = bytes.length < 8 ? -1n : Buffer.from(bytes).readBigUInt64LE(0);
    if (ack !== 0n) {
      throw new CaseFailure(name, {
        expected: "acknowledgement 0",
        actual: `acknowledgement ${ack}`,
      });
    }
  }

  /**
   * Returns whether GET_FEATURES is answered; false if the target ended the connection.
   *
   * @throws {CaseFailure} neither: the target hangs
   */
  async alive(): Promise<boolean> {
    await this.send(FrontendRequest.GetFeatures);
    for (;;) {
      const next = await this.answerOrEnd("GET_FEATURES");
      if (next === "closed") return false;
      if (next.header.request === FrontendRequest.GetFeatures) {
        this.#exchange.observe("silence");
        this.#exchange.observe("service");
        return true;
      }
      throw new CaseFailure("an unsolicited message arrived", {
        expected: "the reply to VHOST_USER_GET_FEATURES",
        actual: nameOf(next.header.request),
      });
    }
  }

  /**
   * Returns whether the target ends the connection within the time; messages before that are
   * dropped.
   */
  async ends(timeoutMs: number = this.#times.answerMs): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const next = await this.next(Math.max(1, deadline - performance.now()));
      if (next === "closed") this.#exchange.observe("closed");
      if (typeof next === "string") return next === "closed";
    }
  }

  /** Waits a short time for what the target does without a request. */
  async pause(ms: number): Promise<void> {
    await delay(ms);
  }

  #closeText(): string {
    return `the end of the connection (${this.closeReason?.error.message ?? ""})`;
  }
}

export function nameOf(request: number): string {
  return requestSpec("front-end", request)?.name ?? `request ${request}`;
}

function hang(what: string, timeoutMs: number): CaseFailure {
  return new CaseFailure(`${what}: neither an answer nor the end of the connection`, {
    grade: "FAIL",
    expected: "an answer or a close",
    actual: `nothing within ${timeoutMs} ms: the target hangs`,
  });
}

/** @throws {CaseFailure} it is another message, or no reply */
export function expectReply(name: string, request: number, { request: got, flags }: Header): void {
  const right = HeaderFlag.VersionMask | HeaderFlag.Reply;
  if (got === request && (flags & right) === Flags.Reply) return;
  throw new CaseFailure(name, {
    expected: `request ${request}, flags 0x5`,
    actual: `request ${got}, flags 0x${flags.toString(16)}`,
  });
}
