import { EventFd } from "../../../../core/os/index.ts";
import { FrontendRequest, type VringState } from "../../../../core/protocol/index.ts";
import type { RingWords, SplitRingWords } from "../../../../core/virtqueue/index.ts";
import type { BackendHooks } from "../../../../endpoints/backend/index.ts";
import type { Resources } from "../findings.ts";

const { SetVringBase, SetVringEnable, SetVringKick } = FrontendRequest;
const RING_REQUESTS: readonly number[] = [SetVringBase, SetVringEnable, SetVringKick];

/** The indices of a split ring. */
interface Indices {
  readonly available: number;
  readonly used: number;
}

/** The start of a ring by a front-end. */
export class RingStart {
  readonly index: number;
  /** The value of SET_VRING_BASE before it. */
  readonly base: number;
  /** The kick descriptor of the front-end: nothing else reads it. */
  readonly kick: EventFd;
  /** The indices as the mock began to serve the ring; undefined before that. */
  from: Indices | undefined;
  #words: SplitRingWords | undefined;

  constructor(index: number, base: number, kick: EventFd) {
    this.index = index;
    this.base = base;
    this.kick = kick;
  }

  /** The mock serves the ring, which is enabled. */
  serves(words: RingWords): void {
    if (words.format !== "split") return;
    this.#words = words;
    this.from = this.#look();
  }

  /** True if there are chains that are not used. */
  get isWaiting(): boolean {
    const now = this.#look();
    return now !== undefined && now.available !== now.used;
  }

  #look(): Indices | undefined {
    const words = this.#words;
    return (
      words && {
        available: Atomics.load(words.available, 1),
        used: Atomics.load(words.used16, 1),
      }
    );
  }
}

/**
 * The rings of a mock that no kick of the front-end reaches: what is made available in a running
 * ring waits there.
 */
export class HeldRings {
  readonly starts: RingStart[] = [];
  readonly hooks: Pick<BackendHooks, "handler" | "queue">;
  readonly #bases = new Map<number, number>();
  /** The ring that the current request is about. */
  #index = -1;

  constructor(t: Resources) {
    this.hooks = {
      queue: (queue) => {
        this.starts.findLast(({ index }) => index === this.#index)?.serves(queue.raw);
        return queue;
      },
      handler: (request, plain) => (payload, incoming) => {
        if (RING_REQUESTS.includes(request)) this.#index = (payload as VringState).index;
        if (request === SetVringBase) this.#bases.set(this.#index, (payload as VringState).num);
        if (request === SetVringKick && incoming.fds.length === 1) {
          const theirs = incoming.fds.splice(0, 1, EventFd.create().descriptor);
          for (const fd of theirs) {
            const kick = t.closing(EventFd.adopt(fd));
            this.starts.push(new RingStart(this.#index, this.#bases.get(this.#index) ?? 0, kick));
          }
        }
        return plain(payload, incoming);
      },
    };
  }

  /** Starts of rings in which chains wait. */
  get waiting(): readonly RingStart[] {
    return this.starts.filter(({ isWaiting }) => isWaiting);
  }
}
