import {
  counted,
  Deferred,
  PeerClosedError,
  ProtocolError,
  RemoteError,
  StateError,
  TimeoutError,
  type WaitOptions,
} from "../base/index.ts";
import type { OwnedFd } from "../os/index.ts";
import {
  decodeLenient,
  type Direction,
  type DueReply,
  dueReply,
  HeaderFlag,
  ProtocolFeature,
  requestSpec,
  type RequestSpec,
  validateMessage,
} from "../protocol/index.ts";
import type { Channel, Frame } from "../transport/index.ts";
import { expectRequirements } from "./requirements.ts";
import type { Negotiation, Strictness } from "./state.ts";

/**
 * The limit on pending calls. Calls that timed out keep their place in the order of replies, so
 * they count; with more the session ends.
 */
const MAX_PENDING = 1024;

const SILENT_PEER =
  "it may be busy with another front-end, or stopped; give it longer, or start it again";

export interface CallerOptions {
  /** The side whose requests are sent. */
  readonly direction: Direction;
  readonly negotiation: Negotiation;
  readonly strictness: Strictness;
  /** Default time-out of a call, milliseconds. */
  readonly timeoutMs: number;
  /** Names the peer in time-outs: `pid 12 (qemu-storage-daemon)`. */
  readonly describePeer?: (() => string) | undefined;
}

export interface CallOptions extends WaitOptions {
  /** Descriptors to send with the request. They are borrowed. */
  readonly fds?: readonly OwnedFd[] | undefined;
  /** Asks for an acknowledgement. Default: whenever REPLY_ACK is negotiated. */
  readonly needReply?: boolean | undefined;
  /** Sends the request even if features that it needs were not negotiated, to test the peer. */
  readonly unchecked?: boolean | undefined;
  /** True after POSTCOPY_LISTEN: the reply to SET_MEM_TABLE is a table. */
  readonly postcopy?: boolean | undefined;
}

/** A reply and the descriptors that came with it, which are the caller's to close. */
export interface ReplyWithFds {
  readonly value: unknown;
  readonly fds: OwnedFd[];
}

interface Pending {
  readonly spec: RequestSpec;
  readonly due: DueReply;
  readonly reply: Deferred<ReplyWithFds>;
}

/**
 * Sends requests on a channel and matches the replies, which come strictly in order: the protocol
 * has no sequence numbers. A call that timed out or was aborted keeps its place, and its late reply
 * is dropped.
 */
export class Caller {
  readonly #channel: Channel;
  readonly #options: CallerOptions;
  readonly #pending: Pending[] = [];
  /** Requests with need_reply but without REPLY_ACK: some peers acknowledge them all the same. */
  readonly #askedInVain = new Set<number>();

  constructor(channel: Channel, options: CallerOptions) {
    this.#channel = channel;
    this.#options = options;
    channel.onFrame((frame) => this.#receive(frame));
    void channel.closed.then(({ error }) => this.#closed(error));
  }

  /**
   * Sends a request and waits for the reply that is due, if one is.
   *
   * @returns the reply's value; undefined after an acknowledgement, or when no reply is due
   * @throws {NegotiationError} a feature that the request needs was not negotiated
   * @throws {RemoteError} the peer acknowledged with "failed"
   * @throws {TimeoutError} no reply in time, or the message itself was not taken by the peer
   * @throws {PeerClosedError | ProtocolError}; the signal's reason
   */
  async call(request: number, payload: unknown, options: CallOptions = {}): Promise<ReplyWithFds> {
    options.signal?.throwIfAborted();
    const spec = requestSpec(this.#options.direction, request);
    if (spec === undefined) throw new RangeError(`no such request: ${request}`);
    const { negotiation } = this.#options;
    if (!options.unchecked) expectRequirements(spec, negotiation);
    if (this.#pending.length >= MAX_PENDING) {
      throw new StateError(`${MAX_PENDING} requests wait for an answer already`);
    }
    const needReply = this.#wantsAck(spec, options);
    const due = dueReply(spec, {
      protocolFeatures: negotiation.protocolFeatures,
      needReply,
      postcopy: options.postcopy ?? false,
    });
    const bytes = spec.payload.encode(payload);
    const reply = this.#expect(spec, due, options);
    const flags = HeaderFlag.Version | (needReply ? HeaderFlag.NeedReply : 0);
    const header = { request, flags, size: bytes.length };
    const sent = this.#channel.send({ header, payload: bytes, fds: [...(options.fds ?? [])] });
    if (reply === undefined) {
      if (needReply) this.#askedInVain.add(request);
      await this.#taken(spec, sent, options);
      return { value: undefined, fds: [] };
    }
    // A failed send ends the channel, which rejects the reply with the reason.
    sent.catch((error: unknown) => reply.reject(error));
    return reply.promise;
  }

  #wantsAck(spec: RequestSpec, { needReply }: CallOptions): boolean {
    if (spec.reply.alwaysAsked) return true;
    if (needReply !== undefined) return needReply;
    return spec.reply.rule === "ack" && this.#options.negotiation.has(ProtocolFeature.ReplyAck);
  }

  #expect(
    spec: RequestSpec,
    due: DueReply,
    options: CallOptions,
  ): Deferred<ReplyWithFds> | undefined {
    if (due.rule === "none") return undefined;
    const reply = this.#wait<ReplyWithFds>(spec, "no answer", options);
    this.#pending.push({ spec, due, reply });
    return reply;
  }

  /**
   * Waits until the kernel has taken the message: a peer that does not read must not block the
   * caller for ever, even if no reply is due.
   */
  async #taken(spec: RequestSpec, sent: Promise<void>, options: CallOptions): Promise<void> {
    const taken = this.#wait<void>(spec, "the peer did not read the message", options);
    sent.then(
      () => taken.resolve(),
      (error: unknown) => taken.reject(error),
    );
    return taken.promise;
  }

  #wait<T>({ name }: RequestSpec, failure: string, options: CallOptions): Deferred<T> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    return new Deferred<T>({ signal: options.signal, timeoutMs }, () => {
      const peer = this.#options.describePeer?.();
      const who = peer === undefined ? "" : `; peer is ${peer}: ${SILENT_PEER}`;
      return new TimeoutError(`${name}: ${failure} within ${timeoutMs} ms${who}`);
    });
  }

  #receive(frame: Frame): void {
    const pending = this.#pending[0];
    if (this.#isVainAck(frame, pending)) return;
    if (pending === undefined) throw this.#unexpected(frame);
    const { spec, due, reply } = pending;
    const value = this.#decode(frame, spec, due);
    this.#pending.shift();
    if (reply.settled) return;
    if (due.rule === "ack" && value !== 0n) {
      reply.reject(
        new RemoteError(
          spec.name,
          `${spec.name}: the peer answered that it failed`,
          value as bigint,
        ),
      );
      return;
    }
    reply.resolve({
      value: due.rule === "ack" ? undefined : value,
      fds: frame.fds.splice(0, due.descriptors.max),
    });
  }

  #decode({ header, payload, fds }: Frame, spec: RequestSpec, due: DueReply): unknown {
    const { direction, strictness } = this.#options;
    const { flags, request } = header;
    const version = flags & HeaderFlag.VersionMask;
    if (
      request !== spec.number ||
      (flags & HeaderFlag.Reply) === 0 ||
      version !== HeaderFlag.Version
    ) {
      throw new ProtocolError(
        `${spec.name}: expected its reply (request ${spec.number}, flags 0x5), ` +
          `got request ${request} with flags 0x${flags.toString(16)}`,
        { request: spec.name, field: request === spec.number ? "flags" : "request" },
      );
    }
    if (strictness === "strict") {
      validateMessage(direction, header, payload, fds.length, true);
      return due.codec.decode(payload);
    }
    // A payload that is too short for a number must not be read as 0, which means success.
    if (payload.length < due.codec.minSize) {
      throw new ProtocolError(
        `${spec.name} reply: expected ${counted(due.codec.minSize, "byte")}, got ${payload.length}`,
        { request: spec.name, field: "size" },
      );
    }
    return decodeLenient(due.codec, payload);
  }

  /**
   * Returns whether a message is an acknowledgement without REPLY_ACK: libvhost-user sends it
   * whenever need_reply is set.
   */
  #isVainAck({ header, payload }: Frame, pending: Pending | undefined): boolean {
    return (
      this.#options.strictness === "lenient" &&
      (header.flags & HeaderFlag.Reply) !== 0 &&
      payload.length === 8 &&
      pending?.spec.number !== header.request &&
      this.#askedInVain.has(header.request)
    );
  }

  #unexpected({ header }: Frame): ProtocolError {
    const name = requestSpec(this.#options.direction, header.request)?.name ?? `${header.request}`;
    const isRequest = (header.flags & HeaderFlag.Reply) === 0;
    return new ProtocolError(
      isRequest
        ? `the peer sent the request ${name}: it plays the same role as we do`
        : `the peer sent a reply to ${name}, which was not requested`,
      { request: name, field: "request" },
    );
  }

  #closed(error: Error): void {
    for (const { spec, reply } of this.#pending.splice(0)) {
      const message = `${spec.name}: ${error.message}`;
      reply.reject(
        error instanceof PeerClosedError ? new PeerClosedError(message, { cause: error }) : error,
      );
    }
  }
}
