import { asError } from "../../core/base/index.ts";
import { type ChainWords, describeByLayout } from "../../core/protocol/index.ts";
import { type DeviceKind, queueName } from "../../endpoints/devices/kind.ts";
import type { RingEvent, TracedChain } from "../trace/index.ts";
import { type Chain, type ChainContents, Outstanding, SeenChain } from "./chain.ts";
import type { AddressSpace, GuestView } from "./guest-view.ts";

/** Buffers of a ring that are kept for replies: real drivers need fewer, hostile ones fill memory. */
const MAX_SEGMENTS = 131_072;

/** The session, device type and memory that the chains of a ring belong to. */
export interface RingContext {
  readonly session: number;
  readonly ring: number;
  readonly device: DeviceKind | undefined;
  readonly features: bigint;
  readonly view: GuestView;
  readonly space: AddressSpace;
  readonly report: (event: RingEvent) => void;
}

/** Counts the chains of a ring, remembers the outstanding ones, and reports both. */
export class RingRecord {
  readonly outstanding = new Outstanding();
  readonly #context: RingContext;
  /** VIRTIO's name of the queue, of a known device type. */
  readonly queue: string | undefined;
  #available = 0;
  #used = 0;
  /** Microseconds of the last look that saw a chain used. */
  #progressUs = 0;
  #stallReported = false;

  constructor(context: RingContext) {
    this.#context = context;
    const { device, ring } = context;
    this.queue = device && queueName(device, ring);
  }

  /** A chain was made available. Without contents it is only counted. */
  available(chain: Omit<Chain, "number" | "words">): void {
    const contents = chain.contents && this.#bounded(chain.contents);
    const words = contents && this.#describe(chain, undefined);
    const full = { ...chain, contents, number: this.#available, words };
    this.#available += 1;
    if (this.outstanding.size === 0) this.#progressUs = chain.seenUs;
    this.outstanding.add(full);
    if (contents === undefined || words === undefined) return;
    this.#report({ type: "chain-available", us: chain.seenUs, ...this.#fields(full, words) });
  }

  /**
   * The device used a chain.
   *
   * @param chain undefined: it was made available before the ring was followed
   * @param us of this look; `beforeUs` of the one before it
   */
  used(chain: Chain | undefined, written: number, us: number, beforeUs: number): void {
    this.#used += 1;
    this.#progressUs = us;
    this.#stallReported = false;
    if (chain?.contents === undefined) return;
    const words = this.#describe(chain, written);
    const before = chain.seenUs - chain.beforeUs;
    const after = us - beforeUs;
    const isOneLook = chain.seenUs === us;
    this.#report({
      type: "chain-used",
      us,
      ...this.#fields(chain, words),
      written,
      latencyUs: isOneLook ? Math.ceil(before / 2) : us - chain.seenUs,
      marginUs: isOneLook ? Math.ceil(before / 2) : Math.max(before, after),
    });
  }

  /** Counts chains of which nothing is known, because the ring went round since the last look. */
  skip(available: number, used: number): void {
    this.#available += available;
    this.#used += used;
    if (available > 0) this.outstanding.clear();
  }

  /** Chains that are counted and cannot be described. */
  missed(chains: number, reason: string, us: number): void {
    if (chains > 0) this.#report({ type: "chains-missed", us, chains, reason });
  }

  /** Reports once that the device uses none of the chains for which it has something to read. */
  stalled(us: number, limitUs: number, reason: () => string): void {
    if (this.#stallReported || us - this.#progressUs < limitUs) return;
    const { oldest, size } = this.outstanding;
    // An empty buffer may wait for long: a frame has to come first.
    if (oldest?.contents === undefined || oldest.contents.readable === 0) return;
    this.#stallReported = true;
    const waitedUs = us - oldest.seenUs;
    this.#report({ type: "ring-stalled", us, chains: size, waitedUs, reason: reason() });
  }

  /** Says that the ring is followed, or why it is not. */
  viewed(state: "followed" | "paused" | "ended", reason: string, us: number): void {
    const totals = { available: this.#available, used: this.#used };
    this.#report({ type: "ring-view", us, state, reason, ...(state === "ended" && { totals }) });
  }

  /** Without its buffers a chain is still described, but not the reply in it. */
  #bounded(contents: ChainContents): ChainContents {
    const segments = this.outstanding.segments + contents.replies.length;
    return segments > MAX_SEGMENTS ? { ...contents, replies: [] } : contents;
  }

  #fields(chain: Chain, words: ChainWords): TracedChain {
    const { number, head, contents } = chain;
    const { descriptors = 0, readable = 0, writable = 0, fault } = contents ?? {};
    const text = fault === undefined ? words.text : `${words.text} ! ${fault}`;
    const failed = words.failed === true || fault !== undefined;
    const depth = Math.max(0, this.#available - this.#used);
    const { fields } = words;
    return { chain: number, head, descriptors, readable, writable, text, fields, failed, depth };
  }

  #describe({ contents, words }: Partial<Chain>, written: number | undefined): ChainWords {
    if (contents === undefined) return words ?? NO_WORDS;
    const { view, space, device, ring, features } = this.#context;
    const chain = new SeenChain(contents, written, view, space);
    if (device?.describeChain !== undefined) {
      try {
        return device.describeChain(chain, ring, features);
      } catch (error) {
        // The method of a kit must not end the conversation that is looked at.
        const text = `describeChain of ${device.name} failed: ${asError(error).message}`;
        return { text, fields: {}, failed: true };
      }
    }
    const layout = device?.chains?.[this.queue ?? ""];
    const described = layout && describeByLayout(layout, chain);
    if (described !== undefined && described.text !== "") return described;
    const what = device === undefined ? "chain" : `${device.name} ${this.queue ?? "chain"}`;
    return { text: what, fields: described?.fields ?? {} };
  }

  #report(event: DistributiveOmit<RingEvent, "session" | "ring" | "queue">): void {
    const { session, ring, report } = this.#context;
    report({ session, ring, queue: this.queue, ...event } as RingEvent);
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const NO_WORDS: ChainWords = { text: "", fields: {} };
