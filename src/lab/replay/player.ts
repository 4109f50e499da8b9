import { delay } from "../../core/base/index.ts";
import { OwnedFd, UnixSocket } from "../../core/os/index.ts";
import { type Direction, FrontendRequest } from "../../core/protocol/index.ts";
import { type MessageEvent, SessionDecoder, shortName } from "../trace/index.ts";
import { kernelObject, RawPeer } from "../wire/index.ts";
import { adapted, isAnswered, isNegotiated } from "./adapt.ts";
import { AnsweringChannel } from "./backend-channel.ts";
import { inWords, isSame, type ReplayMode } from "./judge.ts";
import { ReplayObjects } from "./objects.ts";
import { emptyRing } from "./rings.ts";
import { otherSide, type ReplayScript } from "./script.ts";

/** The first message that differs from the recording. */
export interface ReplayDivergence {
  /** Its number in the capture. */
  readonly number: number;
  readonly expected: string;
  readonly got: string;
}

/** The result of playing one side of a session. */
export interface ReplayResult {
  /** Session of the capture. */
  readonly session: number;
  readonly sent: number;
  /** Messages of the peer that were compared. */
  readonly compared: number;
  /** Requests that were left out, because the peer lacks their feature. */
  readonly skipped: readonly string[];
  /** Messages that differ in a way that the mode allows. */
  readonly differences: readonly ReplayDivergence[];
  /** Absent: the peer did as recorded. */
  readonly divergence?: ReplayDivergence | undefined;
}

/** The way to play. */
export interface PlayerOptions {
  /** The side that is played here. */
  readonly role: Direction;
  readonly mode: ReplayMode;
  /** Keeps the recorded intervals. Otherwise as fast as the peer answers. */
  readonly paced: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Plays one side of a recorded session against a peer. */
export class ReplayPlayer {
  readonly #peer: RawPeer;
  readonly #script: ReplayScript;
  readonly #options: PlayerOptions;
  readonly #objects: ReplayObjects;
  readonly #live = new SessionDecoder({ session: 0 });
  readonly #skipped = new Map<number, string>();
  readonly #differences: ReplayDivergence[] = [];
  /** The requests that must be answered, by the live session's features. */
  readonly #unanswered = new Set<number>();
  #channel: AnsweringChannel | RawPeer | undefined;
  #began = 0;
  #sent = 0;
  #compared = 0;

  /** @param peer the connection; it stays the caller's, and is read from now on */
  constructor(peer: RawPeer, script: ReplayScript, options: PlayerOptions) {
    this.#peer = peer;
    this.#script = script;
    this.#options = options;
    this.#objects = new ReplayObjects(script.memory);
  }

  /** Plays until the end, or the first divergence. */
  async play(): Promise<ReplayResult> {
    const { role, signal } = this.#options;
    this.#began = performance.now();
    let divergence: ReplayDivergence | undefined;
    try {
      for (const step of this.#script.messages) {
        signal?.throwIfAborted();
        if (step.channel === "back-end" && role === "front-end") continue;
        divergence = step.from === role ? await this.#send(step) : await this.#expect(step);
        if (divergence !== undefined) break;
      }
      divergence ??= this.#otherDevice() ?? (await this.#settle());
    } finally {
      this.#channel?.close();
      this.#objects.close();
    }
    const skipped = [...this.#skipped.values()];
    const counts = { sent: this.#sent, compared: this.#compared, skipped };
    const { session } = this.#script;
    return { session, ...counts, differences: this.#differences, divergence };
  }

  async #send(step: MessageEvent): Promise<undefined> {
    const { mode, role, paced, signal } = this.#options;
    if (step.isReply && this.#skipped.has(step.answers?.to ?? 0)) return undefined;
    if (mode === "adapt" && !step.isReply && !isNegotiated(step, this.#live.state)) {
      this.#skipped.set(step.number, shortName(step.request));
      return undefined;
    }
    if (paced) await this.#pace(step, signal);
    const message =
      mode === "adapt" && role === "front-end" ? adapted(step, this.#live.state) : step;
    const peer = this.#peerOf(step);
    if (peer === undefined) return undefined;
    const memory = memoryBytes(step);
    const fds = step.descriptors.map((each) => this.#objects.descriptor(each, memory));
    const { header, payload } = message;
    this.#decode(step.from, step, header, payload, fds);
    if (isAnswered(step, message, this.#live.state)) this.#unanswered.add(step.number);
    if (header.request === FrontendRequest.SetVringKick && role === "front-end") {
      emptyRing(step.ring ?? 0, this.#live.state, this.#objects);
    }
    await peer.send(header.request, payload, { flags: header.flags, size: header.size, fds });
    this.#sent += 1;
    this.#openChannel(step);
    return undefined;
  }

  async #expect(step: MessageEvent): Promise<ReplayDivergence | undefined> {
    const { mode, role } = this.#options;
    if (step.isReply && this.#skipped.has(step.answers?.to ?? 0)) return undefined;
    if (mode === "adapt" && role === "front-end" && !this.#isDue(step)) return undefined;
    const peer = this.#peerOf(step);
    if (peer === undefined) return undefined;
    const expected = inWords(step);
    const received = await peer.next();
    if (typeof received === "string") return this.#missing(step.number, expected, received);
    const { header, payload, fds } = received;
    const live = this.#decode(step.from, step, header, payload, fds);
    this.#compared += 1;
    const got = inWords(live);
    if (!isSame(step, live, mode)) return { number: step.number, expected, got };
    if (mode === "adapt" && expected !== got) {
      this.#differences.push({ number: step.number, expected, got });
    }
    for (const [at, each] of step.descriptors.entries()) {
      const fd = received.fds[at];
      if (fd !== undefined) this.#objects.received(each, fd);
    }
    this.#openChannel(step, received.fds[0]);
    return undefined;
  }

  /** With other features an acknowledgement that was recorded is not due. */
  #isDue({ answers, fields }: MessageEvent): boolean {
    if (fields?.["ack"] === undefined) return true;
    return this.#unanswered.has(answers?.to ?? 0);
  }

  /** Features and values may be adapted, a device type cannot. */
  #otherDevice(): ReplayDivergence | undefined {
    const { device, messages } = this.#script;
    const live = this.#live.state.device?.name;
    if (device === undefined || live === undefined || device === live) return undefined;
    const { number } = messages.findLast(({ request }) => request === OFFER) ?? { number: 0 };
    return { number, expected: `device type ${device}`, got: `device type ${live}` };
  }

  /** A back-end must still be there after the last message. */
  async #settle(): Promise<ReplayDivergence | undefined> {
    if (this.#options.role === "back-end") return undefined;
    const { number } = this.#script.messages.at(-1) ?? { number: 0 };
    const expected = "an answer to GET_FEATURES behind the last message";
    await this.#peer.send(FrontendRequest.GetFeatures);
    // Replies that the recording does not have come first.
    for (let due = this.#unanswered.size; ; due -= 1) {
      const next = await this.#peer.next();
      if (typeof next === "string") return this.#missing(number, expected, next);
      const { request } = next.header;
      if (request === FrontendRequest.GetFeatures) return undefined;
      if (due === 0) return { number, expected, got: `a reply to request ${request}` };
    }
  }

  #missing(number: number, expected: string, next: "closed" | "silence"): ReplayDivergence {
    const name = otherSide(this.#options.role);
    const within = `nothing within ${this.#peer.timeoutMs} ms`;
    const reason = this.#peer.closeReason?.error.message;
    const got = next === "closed" ? `the ${name} ended the connection: ${reason}` : within;
    return { number, expected, got };
  }

  #peerOf(step: MessageEvent): RawPeer | undefined {
    if (step.channel === "front-end") return this.#peer;
    return this.#channel instanceof RawPeer ? this.#channel : undefined;
  }

  #decode(
    from: Direction,
    { channel }: MessageEvent,
    header: MessageEvent["header"],
    payload: Uint8Array,
    fds: readonly OwnedFd[],
  ): MessageEvent {
    const objects = fds.map(({ fd }) => kernelObject(fd));
    return this.#live.message(0, { from, channel, header, payload, objects });
  }

  async #pace({ us }: MessageEvent, signal: AbortSignal | undefined): Promise<void> {
    const due = (us - (this.#script.messages[0]?.us ?? 0)) / 1000;
    const wait = due - (performance.now() - this.#began);
    if (wait > 0) await delay(wait, signal);
  }

  /** Opens the back-end channel once its descriptor has passed. */
  #openChannel({ header, isReply, channel, descriptors }: MessageEvent, fd?: OwnedFd): void {
    if (channel === "back-end" || isReply || header.request !== FrontendRequest.SetBackendReqFd) {
      return;
    }
    if (this.#options.role === "back-end") {
      if (fd === undefined) return;
      const socket = UnixSocket.adopt(OwnedFd.duplicateOf(fd.fd));
      const peer = new RawPeer(socket, { direction: "back-end", timeoutMs: this.#peer.timeoutMs });
      peer.read();
      this.#channel?.close();
      this.#channel = peer;
      return;
    }
    const near = this.#objects.takeSocket(descriptors[0]?.name ?? "");
    if (near === undefined) return;
    const answers = this.#script.messages.filter(
      (each) => each.channel === "back-end" && each.isReply,
    );
    this.#channel?.close();
    this.#channel = new AnsweringChannel(near, answers);
  }
}

/** The message behind which the offer of a back-end is known. */
const OFFER = "VHOST_USER_GET_PROTOCOL_FEATURES";

/** The least size of the memory behind the descriptors of a message. */
function memoryBytes({ fields }: MessageEvent): number {
  const { mmapSize, mmapOffset } = fields ?? {};
  if (typeof mmapSize !== "string" || typeof mmapOffset !== "string") return 0;
  return Number(BigInt(mmapSize) + BigInt(mmapOffset));
}
