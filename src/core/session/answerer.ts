import { asError, counted, countedRange, ProtocolError } from "../base/index.ts";
import type { OwnedFd } from "../os/index.ts";
import {
  acknowledgement,
  type AnswerOf,
  type BackendPayloadOf,
  type BackendReplyOf,
  type BackendRequest,
  decodeLenient,
  type Direction,
  type DueReply,
  dueReply,
  type FrontendRequest,
  frontendRequests,
  HeaderFlag,
  type PayloadOf,
  requestSpec,
  type RequestSpec,
  validateMessage,
} from "../protocol/index.ts";
import type { Channel, Frame } from "../transport/index.ts";
import { expectRequirements } from "./requirements.ts";
import type { Negotiation, Strictness } from "./state.ts";

/** The descriptors of a request and of its reply. */
export interface Incoming {
  /**
   * The descriptors of the request. The handler removes those that it keeps; the rest is closed
   * afterwards.
   */
  readonly fds: OwnedFd[];
  /** The descriptors of the reply, which the handler adds. They are closed once sent. */
  readonly replyFds: OwnedFd[];
}

/**
 * Serves a request whose number is only known at run time, and returns the value of its own reply.
 */
export type RequestHandler = (payload: unknown, incoming: Incoming) => unknown;

/** The requests that travel in one direction. */
export type RequestOf<D extends Direction> = D extends "front-end"
  ? FrontendRequest
  : BackendRequest;

/** Serves one request: takes its payload, and returns its reply where it has one of its own. */
export type HandlerOf<D extends Direction, R> = D extends "front-end"
  ? R extends FrontendRequest
    ? Handler<PayloadOf<R>, AnswerOf<R>>
    : never
  : R extends BackendRequest
    ? Handler<BackendPayloadOf<R>, BackendReplyOf<R>>
    : never;

type Handler<P, A> = (payload: P, incoming: Incoming) => A | Promise<A>;

export interface AnswererOptions<D extends Direction = Direction> {
  /** The side whose requests are answered. */
  readonly direction: D;
  readonly negotiation: Negotiation;
  readonly strictness: Strictness;
  /**
   * Virtio features that count as acknowledged, where they were offered, as long as the front-end has
   * acknowledged none. Default none.
   */
  readonly presumed?: bigint | undefined;
  /**
   * Called when a request was refused.
   *
   * @param ends whether the connection ends, because no reply can report the failure
   */
  readonly onRefused?: ((error: Error, ends: boolean) => void) | undefined;
  /** Wraps each handler, for tests and fault injection. */
  readonly wrap?: ((request: number, handler: RequestHandler) => RequestHandler) | undefined;
}

const FAILED = 1n;

/**
 * Answers the requests of a channel, one after another. A request that cannot be served is
 * acknowledged with "failed" where the peer asked for an acknowledgement; otherwise the connection
 * ends, as the peer would not learn of the failure otherwise.
 */
export class Answerer<D extends Direction = Direction> {
  readonly #channel: Channel;
  readonly #options: AnswererOptions<D>;
  readonly #handlers = new Map<number, RequestHandler>();
  #ended = false;

  constructor(channel: Channel, options: AnswererOptions<D>) {
    this.#channel = channel;
    this.#options = options;
    void channel.closed.then(() => {
      this.#ended = true;
    });
  }

  /** Sets the handler of a request, with the types of its payload and reply. */
  on<R extends RequestOf<D>>(request: R, handler: HandlerOf<D, R>): void {
    this.onAny(request, handler as RequestHandler);
  }

  /** Sets the handler of a request that is not known at compile time. */
  onAny(request: number, handler: RequestHandler): void {
    this.#handlers.set(request, this.#options.wrap?.(request, handler) ?? handler);
  }

  /** Starts reading. Call it once, after the handlers were set. */
  start(): void {
    this.#channel.onFrame((frame) => this.#receive(frame));
  }

  async #receive(frame: Frame): Promise<void> {
    const { header, fds } = frame;
    expectRequestFlags(header.flags, header.request);
    const spec = requestSpec(this.#options.direction, header.request);
    const incoming: Incoming = { fds, replyFds: [] };
    try {
      const payload = await this.#answer(spec, frame, incoming);
      if (payload !== undefined) await this.#reply(header.request, payload, incoming.replyFds);
    } finally {
      closeAll(incoming.replyFds);
    }
  }

  /**
   * Serves a request and returns the payload of its reply; undefined if none is due.
   *
   * @throws the refusal if it cannot be sent
   */
  async #answer(
    spec: RequestSpec | undefined,
    frame: Frame,
    incoming: Incoming,
  ): Promise<Uint8Array | undefined> {
    const needReply = (frame.header.flags & HeaderFlag.NeedReply) !== 0;
    let due = this.#due(spec, needReply);
    try {
      const value = await this.#serve(spec, frame, incoming);
      // The request may be what acknowledges REPLY_ACK: User Mode Linux then waits for its answer.
      if (due.rule === "none") due = this.#due(spec, needReply);
      return due.rule === "none" ? undefined : due.codec.encode(due.rule === "ack" ? 0n : value);
    } catch (error) {
      const refusal = asError(error);
      // A look-up of a back-end has a reply of its own that is an acknowledgement as well.
      const isLookUp = this.#options.direction === "back-end" && due.codec === acknowledgement;
      const ends = due.rule !== "ack" && !(due.rule === "own" && isLookUp);
      // A request that fails because the connection was closed meanwhile is not a refusal.
      if (!this.#ended) this.#options.onRefused?.(refusal, ends);
      if (ends) throw refusal;
      closeAll(incoming.replyFds);
      return due.codec.encode(FAILED);
    }
  }

  /** An unknown request is acknowledged (with "failed") like any other. */
  #due(spec: RequestSpec | undefined, needReply: boolean): DueReply {
    const { protocolFeatures, postcopy } = this.#options.negotiation;
    const alike = spec ?? frontendRequests.SetOwner;
    return dueReply(alike, { protocolFeatures, needReply, postcopy });
  }

  async #serve(spec: RequestSpec | undefined, frame: Frame, incoming: Incoming): Promise<unknown> {
    const { header, payload, fds } = frame;
    if (spec === undefined) {
      throw new ProtocolError(`request ${header.request} is not one of the specification`, {
        field: "request",
      });
    }
    const handler = this.#handlers.get(header.request);
    if (handler === undefined) {
      throw new ProtocolError(`${spec.name} is not implemented here`, { request: spec.name });
    }
    expectRequirements(spec, this.#options.negotiation, this.#options.presumed);
    if (this.#options.strictness === "strict") {
      validateMessage(this.#options.direction, header, payload, fds.length, false);
      return handler(spec.payload.decode(payload), incoming);
    }
    expectDescriptors(spec, fds.length);
    if (payload.length < spec.payload.minSize) {
      throw new ProtocolError(
        `${spec.name}: expected a payload of ${counted(spec.payload.minSize, "byte")}, got ${payload.length}`,
        { request: spec.name, field: "size" },
      );
    }
    return handler(decodeLenient(spec.payload, payload), incoming);
  }

  async #reply(request: number, payload: Uint8Array, fds: readonly OwnedFd[]): Promise<void> {
    const flags = HeaderFlag.Version | HeaderFlag.Reply;
    // The wait until the kernel has taken the reply throttles a peer that sends requests and never
    // reads.
    await this.#channel.send({
      header: { request, flags, size: payload.length },
      payload,
      fds: [...fds],
    });
  }
}

/** The registration of handlers for one direction's requests. */
export type HandlerRegistry<D extends Direction> = Pick<Answerer<D>, "on">;

function closeAll(fds: OwnedFd[]): void {
  for (const fd of fds.splice(0)) fd.close();
}

function expectRequestFlags(flags: number, request: number): void {
  const version = flags & HeaderFlag.VersionMask;
  if (version === HeaderFlag.Version && (flags & HeaderFlag.Reply) === 0) return;
  throw new ProtocolError(
    `expected a request of version 1, got flags 0x${flags.toString(16)} with request ${request}`,
    { field: "flags", expected: "0x1 or 0x9", actual: `0x${flags.toString(16)}` },
  );
}

function expectDescriptors({ name, descriptors }: RequestSpec, count: number): void {
  if (count >= descriptors.min && count <= descriptors.max) return;
  throw new ProtocolError(
    `${name}: expected ${countedRange(descriptors.min, descriptors.max, "descriptor")}, got ${count}`,
    { request: name, field: "descriptors" },
  );
}
