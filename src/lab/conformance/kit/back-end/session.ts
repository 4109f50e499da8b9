import { counted, Deferred, delay } from "../../../../core/base/index.ts";
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
import {
  type CloseReason,
  type Frame,
  frameBytes,
  UnixChannel,
} from "../../../../core/transport/index.ts";
import type { Exchange } from "../../exchange.ts";
import { CheckFailure } from "../../failure.ts";
import type { Times } from "../../times.ts";

/** Largest payload that is read: a target may send too much, and the check has to see it. */
const MAX_PAYLOAD = 1 << 20;

export const Flags = {
  Request: HeaderFlag.Version,
  NeedReply: HeaderFlag.Version | HeaderFlag.NeedReply,
  Reply: HeaderFlag.Version | HeaderFlag.Reply,
} as const;

/** How to send a message other than as it should be. */
export interface SendOptions {
  /** Default: a plain request. */
  readonly flags?: number;
  /** Borrowed until the promise settles. */
  readonly fds?: readonly OwnedFd[];
  /** Size field; default: the payload's size. */
  readonly size?: number;
}

/** A message from the target. Its descriptors are closed with the session. */
export interface Received {
  readonly header: Header;
  readonly payload: Uint8Array;
  readonly fds: readonly OwnedFd[];
}

/** What came, if anything. */
export type Next = Received | "closed" | "silence";

/** What became of a request. */
export interface Attempt {
  /** The acknowledgement; undefined: none came, or none was due. */
  readonly ack: bigint | undefined;
  /** Whether the connection was served afterwards. */
  readonly alive: boolean;
}

/** A front-end's connection that sends whatever it is told to, and writes everything down. */
export class Session {
  readonly name: string;
  /** Features that were acknowledged on this connection. */
  virtio = 0n;
  protocol = 0n;
  readonly #socket: UnixSocket;
  readonly #channel: UnixChannel;
  readonly #exchange: Exchange;
  readonly #times: Times;
  readonly #direction: Direction;
  readonly #frames: Received[] = [];
  readonly #fds: OwnedFd[] = [];
  /** By request, whoever takes its replies. */
  readonly #aside = new Map<number, (reply: Received) => void>();
  #waiting: Deferred<void> | undefined;
  #closed: CloseReason | undefined;

  /** @param direction whose requests travel: on a back-end's own channel the suite is the back-end */
  constructor(
    name: string,
    socket: UnixSocket,
    exchange: Exchange,
    times: Times,
    direction: Direction = "front-end",
  ) {
    this.name = name;
    this.#direction = direction;
    this.#exchange = exchange;
    this.#times = times;
    this.#socket = socket;
    this.#channel = new UnixChannel(socket, { maxPayload: MAX_PAYLOAD, direction });
    void this.#channel.closed.then((reason) => {
      this.#closed = reason;
      if (reason.by !== "local") exchange.note(name, `closed: ${reason.error.message}`);
      this.#waiting?.resolve();
    });
  }

  /** Starts reading; until then what comes stays in the socket. */
  read(): void {
    this.#channel.onFrame((frame) => {
      const fds = frame.fds.splice(0);
      this.#fds.push(...fds);
      this.#message("<", frame, fds.length);
      const received = { header: frame.header, payload: frame.payload, fds };
      const aside = this.#aside.get(frame.header.request);
      if (aside) return aside(received);
      this.#frames.push(received);
      this.#waiting?.resolve();
    });
  }

  /** Replies to this request go there, whatever a check waits for: it is sent in between. */
  putAside(request: number, take: (reply: Received) => void): void {
    this.#aside.set(request, take);
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Closed, and not by the suite. */
  get endedByTarget(): boolean {
    return this.#closed !== undefined && this.#closed.by !== "local";
  }

  /** @param payload bytes, or a value for the request's codec; a peer that has closed is no error */
  async send(request: number, payload?: unknown, options: SendOptions = {}): Promise<void> {
    const frame = frameOf(request, payload, options);
    const { fds = [] } = options;
    this.#message(">", frame, fds.length);
    await this.#channel.sendBytes(frameBytes(frame), fds).catch(() => undefined);
  }

  /** Sends bytes as they are, e.g. a message in pieces. */
  async sendBytes(bytes: Uint8Array, note: string, fds: readonly OwnedFd[] = []): Promise<void> {
    this.#exchange.note(this.name, `> ${counted(bytes.length, "byte")}: ${note}`);
    await this.#channel.sendBytes(bytes, fds).catch(() => undefined);
  }

  /** As {@link sendBytes}, cut at these positions, with a moment between the pieces. */
  async sendPieces(
    bytes: Uint8Array,
    cuts: readonly number[],
    note: string,
    fds: readonly OwnedFd[] = [],
    fdsWith = 0,
  ): Promise<void> {
    const ends = [...cuts, bytes.length];
    for (const [i, end] of ends.entries()) {
      if (i > 0) await delay(this.#times.gapMs);
      if (this.closed) return;
      const piece = bytes.subarray(ends[i - 1] ?? 0, end);
      await this.sendBytes(piece, `${note}, piece ${i + 1}`, i === fdsWith ? fds : []);
    }
  }

  /** Ends the direction to the target; what it still says is read. */
  endWriting(): void {
    this.#exchange.note(this.name, "the suite ends its direction");
    if (!this.closed) this.#socket.shutdown("send");
  }

  /** What comes next: a message, the end of the connection, or nothing within the time. */
  async next(timeoutMs: number = this.#times.answerMs): Promise<Next> {
    if (this.#frames.length === 0 && !this.#closed) {
      this.#waiting = new Deferred<void>({ timeoutMs });
      await this.#waiting.promise.catch(() => undefined);
      this.#waiting = undefined;
    }
    const frame = this.#frames.shift();
    if (frame !== undefined) return frame;
    return this.#closed ? "closed" : "silence";
  }

  /**
   * The next message, which must be there.
   *
   * @throws {CheckFailure} the connection ended, or nothing came
   */
  async expectNext(what: string): Promise<Received> {
    const next = await this.next();
    if (typeof next !== "string") return next;
    const actual =
      next === "closed" ? this.#closeText() : `nothing within ${this.#times.answerMs} ms`;
    throw new CheckFailure(what, { expected: "an answer", actual });
  }

  /**
   * A message, or the end of the connection: what anything may be met with.
   *
   * @throws {CheckFailure} neither: the target hangs
   */
  async answerOrEnd(
    what: string,
    timeoutMs: number = this.#times.answerMs,
  ): Promise<Received | "closed"> {
    const next = await this.next(timeoutMs);
    if (next === "silence") throw hang(what, timeoutMs);
    return next;
  }

  /**
   * Asks and waits for the request's own reply; judges only what cannot be misunderstood (libvhost-user
   * echoes need_reply).
   *
   * @throws {CheckFailure}
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
      throw new CheckFailure(`${name}: the reply is too short`, {
        expected,
        actual: counted(bytes.length, "byte"),
      });
    }
    return decodeLenient(codec, bytes) as ReplyOf<R>;
  }

  /** Whether need_reply is answered on this connection. */
  get acknowledges(): boolean {
    return (this.protocol & ProtocolFeature.ReplyAck) !== 0n;
  }

  /**
   * Sends a request that has no reply of its own, asks for an acknowledgement where that was
   * negotiated, and finds out whether the connection lives on.
   *
   * @throws {CheckFailure} neither an answer nor the end of the connection: the target hangs
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
   * @throws {CheckFailure}
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
      throw new CheckFailure(name, {
        expected: "acknowledgement 0",
        actual: `acknowledgement ${ack}`,
      });
    }
  }

  /**
   * Whether GET_FEATURES is answered, in place of the end of the connection.
   *
   * @throws {CheckFailure} neither: the target hangs
   */
  async alive(): Promise<boolean> {
    await this.send(FrontendRequest.GetFeatures);
    for (;;) {
      const next = await this.answerOrEnd("GET_FEATURES");
      if (next === "closed") return false;
      if (next.header.request === FrontendRequest.GetFeatures) return true;
      throw new CheckFailure("a message came that nobody asked for", {
        expected: "the reply to VHOST_USER_GET_FEATURES",
        actual: nameOf(next.header.request),
      });
    }
  }

  /** Whether the target ends the connection within the time; messages before that are dropped. */
  async ends(timeoutMs: number = this.#times.answerMs): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const next = await this.next(Math.max(1, deadline - performance.now()));
      if (next === "closed") return true;
      if (next === "silence") return false;
    }
  }

  /** Whatever happens is given a moment, without anything being asked for. */
  async pause(ms: number): Promise<void> {
    await delay(ms);
  }

  /** Idempotent. */
  close(): void {
    if (!this.#closed) this.#exchange.note(this.name, "the suite closes");
    this.#channel.close();
    for (const fd of this.#fds) fd.close();
    this.#frames.length = 0;
  }

  #message(way: ">" | "<", { header, payload }: Frame, fds: number): void {
    this.#exchange.message(this.name, way, header, payload, fds, this.#direction);
  }

  #closeText(): string {
    return `the end of the connection (${this.#closed?.error.message ?? ""})`;
  }
}

export function nameOf(request: number): string {
  return requestSpec("front-end", request)?.name ?? `request ${request}`;
}

/** A message's bytes, for pieces of it. */
export function messageBytes(request: number, payload?: unknown, options: SendOptions = {}) {
  return frameBytes(frameOf(request, payload, options));
}

function frameOf(request: number, payload: unknown, options: SendOptions): Frame {
  const codec = requestSpec("front-end", request)?.payload;
  const bytes =
    payload instanceof Uint8Array
      ? payload
      : payload === undefined
        ? new Uint8Array()
        : (codec?.encode(payload) ?? new Uint8Array());
  const { flags = Flags.Request, size = bytes.length } = options;
  return { header: { request, flags, size }, payload: bytes, fds: [] };
}

function hang(what: string, timeoutMs: number): CheckFailure {
  return new CheckFailure(`${what}: neither an answer nor the end of the connection`, {
    grade: "FAIL",
    expected: "an answer or a close",
    actual: `nothing within ${timeoutMs} ms: the target hangs`,
  });
}

/** @throws {CheckFailure} it is another message, or no reply */
export function expectReply(name: string, request: number, { request: got, flags }: Header): void {
  const right = HeaderFlag.VersionMask | HeaderFlag.Reply;
  if (got === request && (flags & right) === Flags.Reply) return;
  throw new CheckFailure(name, {
    expected: `request ${request}, flags 0x5`,
    actual: `request ${got}, flags 0x${flags.toString(16)}`,
  });
}
