import { Deferred, delay } from "../../core/base/index.ts";
import type { OwnedFd, UnixSocket } from "../../core/os/index.ts";
import { type Direction, type Header, HeaderFlag, requestSpec } from "../../core/protocol/index.ts";
import {
  type CloseReason,
  type Frame,
  frameBytes,
  UnixChannel,
} from "../../core/transport/index.ts";

/** Largest payload that is read, in bytes: a peer may send too much, and a test has to see it. */
const MAX_PAYLOAD = 1 << 20;
const ANSWER_MS = 5000;

/** The flag words of messages. */
export const Flags = {
  Request: HeaderFlag.Version,
  NeedReply: HeaderFlag.Version | HeaderFlag.NeedReply,
  Reply: HeaderFlag.Version | HeaderFlag.Reply,
} as const;

/** The deviations of a message from a correct one. */
export interface SendOptions {
  /** The header's flag word. Default: a plain request. */
  readonly flags?: number;
  /** Borrowed until the promise settles. */
  readonly fds?: readonly OwnedFd[];
  /** The header's size field in bytes. Default: the payload's size. */
  readonly size?: number;
}

/** A message of the peer. Its descriptors are closed with the {@link RawPeer}. */
export interface Received {
  readonly header: Header;
  readonly payload: Uint8Array;
  readonly fds: readonly OwnedFd[];
}

/** The next message, the end of the connection, or neither within the time. */
export type Next = Received | "closed" | "silence";

/** The callbacks of a {@link RawPeer}. */
export interface RawPeerObserver {
  /** `>` is a message to the peer, `<` one from it. */
  message?(way: ">" | "<", frame: Pick<Frame, "header" | "payload">, fds: number): void;
  /** Anything else: raw bytes, a half-closed direction, the end. */
  event?(text: string): void;
}

export interface RawPeerOptions {
  /** The side whose requests the connection carries. Default `front-end`, the main socket. */
  readonly direction?: Direction | undefined;
  /** Milliseconds that {@link RawPeer.next} waits. Default 5000. */
  readonly timeoutMs?: number | undefined;
  readonly observe?: RawPeerObserver | undefined;
  /** The name of this side in events. Default "this side". */
  readonly name?: string | undefined;
}

/**
 * One end of a connection that sends whatever it is asked to, and hands out what it receives.
 *
 * @example
 * ```ts
 * import { FrontendRequest } from "vhost-user/protocol";
 * import { RawFrontend, type RawPeer } from "vhost-user/testing";
 *
 * // Sends a header without its payload, to either side.
 * async function cut(peer: RawPeer): Promise<void> {
 *   await peer.sendBytes(Uint8Array.of(FrontendRequest.GetFeatures, 0, 0, 0));
 *   peer.endWriting();
 * }
 * const frontend = await RawFrontend.connect("disk.sock");
 * await cut(frontend);
 * frontend.close();
 * ```
 */
export class RawPeer {
  readonly direction: Direction;
  /** Milliseconds that {@link next} waits. */
  readonly timeoutMs: number;
  readonly #name: string;
  readonly #socket: UnixSocket;
  readonly #channel: UnixChannel;
  readonly #observe: RawPeerObserver;
  readonly #frames: Received[] = [];
  readonly #fds: OwnedFd[] = [];
  readonly #aside = new Map<number, (message: Received) => void>();
  #waiting: Deferred<void> | undefined;
  #closed: CloseReason | undefined;

  /** @param socket taken over; nothing is read before {@link read} */
  constructor(socket: UnixSocket, options: RawPeerOptions = {}) {
    const { direction = "front-end", timeoutMs = ANSWER_MS, observe = {} } = options;
    this.#name = options.name ?? "this side";
    this.direction = direction;
    this.timeoutMs = timeoutMs;
    this.#observe = observe;
    this.#socket = socket;
    this.#channel = new UnixChannel(socket, { maxPayload: MAX_PAYLOAD, direction });
    void this.#channel.closed.then((reason) => {
      this.#closed = reason;
      if (reason.by !== "local") observe.event?.(`closed: ${reason.error.message}`);
      this.#waiting?.resolve();
    });
  }

  /** Starts reading. Until then what the peer sends stays in the socket. */
  read(): void {
    this.#channel.onFrame((frame) => {
      const fds = frame.fds.splice(0);
      this.#fds.push(...fds);
      this.#observe.message?.("<", frame, fds.length);
      const received = { header: frame.header, payload: frame.payload, fds };
      const aside = this.#aside.get(frame.header.request);
      if (aside) return aside(received);
      this.#frames.push(received);
      this.#waiting?.resolve();
    });
  }

  /** Hands messages with this request number to `take` instead of {@link next}. */
  putAside(request: number, take: (message: Received) => void): void {
    this.#aside.set(request, take);
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** The reason why the connection ended; undefined while it is open. */
  get closeReason(): CloseReason | undefined {
    return this.#closed;
  }

  /**
   * Sends a message. A peer that has closed the connection is not an error.
   *
   * @param payload bytes, or a value for the request's codec
   */
  async send(request: number, payload?: unknown, options: SendOptions = {}): Promise<void> {
    const frame = rawFrame(this.direction, request, payload, options);
    const { fds = [] } = options;
    this.#observe.message?.(">", frame, fds.length);
    await this.#channel.sendBytes(frameBytes(frame), fds).catch(() => undefined);
  }

  /** Sends bytes as they are, e.g. a part of a message. */
  async sendBytes(bytes: Uint8Array, { note, fds = [] }: BytesOptions = {}): Promise<void> {
    this.#observe.event?.(`> ${bytes.length} bytes${note === undefined ? "" : `: ${note}`}`);
    await this.#channel.sendBytes(bytes, fds).catch(() => undefined);
  }

  /** Sends bytes in several writes. */
  async sendInParts(
    bytes: Uint8Array,
    { cuts, gapMs, fds = [], fdsWith = 0, note = "" }: PartsOptions,
  ): Promise<void> {
    const ends = [...cuts, bytes.length];
    for (const [i, end] of ends.entries()) {
      if (i > 0) await delay(gapMs);
      if (this.closed) return;
      const part = bytes.subarray(ends[i - 1] ?? 0, end);
      await this.sendBytes(part, {
        note: `${note}, part ${i + 1}`,
        fds: i === fdsWith ? fds : [],
      });
    }
  }

  /** Half-closes the connection: the peer reads EOF, and what it still sends is read. */
  endWriting(): void {
    this.#observe.event?.(`${this.#name} ends its direction`);
    if (!this.closed) this.#socket.shutdown("send");
  }

  /** Reads nothing more: what the peer sends from now on fails with EPIPE. */
  endReading(): void {
    this.#observe.event?.(`${this.#name} reads no more`);
    if (!this.closed) this.#socket.shutdown("receive");
  }

  /** Resolves with the next message, `closed`, or `silence` after the time. */
  async next(timeoutMs: number = this.timeoutMs): Promise<Next> {
    if (this.#frames.length === 0 && !this.#closed) {
      this.#waiting = new Deferred<void>({ timeoutMs });
      await this.#waiting.promise.catch(() => undefined);
      this.#waiting = undefined;
    }
    const frame = this.#frames.shift();
    if (frame !== undefined) return frame;
    return this.#closed ? "closed" : "silence";
  }

  /** Closes the connection and every descriptor that came. Idempotent. */
  close(): void {
    if (!this.#closed) this.#observe.event?.(`${this.#name} closes`);
    this.#channel.close();
    for (const fd of this.#fds) fd.close();
    this.#frames.length = 0;
  }
}

/** The options for sending bytes. */
export interface BytesOptions {
  /** Borrowed until the promise settles. */
  readonly fds?: readonly OwnedFd[];
  /** A description of the bytes, for observers. */
  readonly note?: string;
}

/** The options for sending bytes in several writes. */
export interface PartsOptions extends BytesOptions {
  /** Byte offsets at which the writes are cut. */
  readonly cuts: readonly number[];
  /** Milliseconds between two writes. */
  readonly gapMs: number;
  /** The write that carries the descriptors, from 0. Default 0. */
  readonly fdsWith?: number;
}

/**
 * A message's bytes, to be sent in parts.
 *
 * @param payload bytes, or a value for the codec
 */
export function messageBytes(
  request: number,
  payload?: unknown,
  options: SendOptions = {},
): Uint8Array {
  return frameBytes(rawFrame("front-end", request, payload, options));
}

function rawFrame(
  direction: Direction,
  request: number,
  payload: unknown,
  { flags = Flags.Request, size }: SendOptions,
): Frame {
  const bytes = payloadBytes(direction, request, payload);
  return { header: { request, flags, size: size ?? bytes.length }, payload: bytes, fds: [] };
}

function payloadBytes(direction: Direction, request: number, payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (payload === undefined) return new Uint8Array();
  const codec = requestSpec(direction, request)?.payload;
  if (codec !== undefined) return codec.encode(payload);
  throw new TypeError(`request ${request} has no codec; give its payload as bytes`);
}
