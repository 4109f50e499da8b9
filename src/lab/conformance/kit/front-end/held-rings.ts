import { EventFd } from "../../../../core/os/index.ts";
import { FrontendRequest, type VringState } from "../../../../core/protocol/index.ts";
import type { DeviceQueue, RingWords, SplitRingWords } from "../../../../core/virtqueue/index.ts";
import type { BackendHooks } from "../../../../endpoints/backend/index.ts";
import type { Resources } from "../findings.ts";

const { SetVringBase, SetVringEnable, SetVringKick } = FrontendRequest;
const RING_REQUESTS: readonly number[] = [SetVringBase, SetVringEnable, SetVringKick];

/** The methods of a queue from which nothing is taken. */
const HELD = {
  next: () => false,
  hasNext: () => false,
  takeSingles: () => 0,
  enableNotifications: () => true,
} as const satisfies Partial<DeviceQueue>;

/** Returns a queue from which nothing is taken. */
function held(queue: DeviceQueue): DeviceQueue {
  return new Proxy(queue, {
    get(target, key): unknown {
      if (key in HELD) return HELD[key as keyof typeof HELD];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

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

/** The rings of a mock that serves nothing, so that what a front-end makes available stays there. */
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
        return held(queue);
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
