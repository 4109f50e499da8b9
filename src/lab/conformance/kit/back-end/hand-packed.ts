import { RawPackedRing, type UsedDescriptor } from "../../../wire/index.ts";
import type { CheckContext } from "./context.ts";
import type { Ring } from "./ring.ts";
import { soon } from "./soon.ts";

/** A packed ring that a check lays out word by word. */
export class HandPacked extends RawPackedRing {
  readonly #t: CheckContext;

  constructor(t: CheckContext, { queue }: Ring) {
    super(queue.raw);
    this.#t = t;
  }

  /** The used descriptor at a position; undefined if not within the time. */
  async expectUsedAt(position: number): Promise<UsedDescriptor | undefined> {
    const used = await soon(() => this.usedAt(position), this.#t.times.callMs);
    if (used !== undefined) this.#t.observe("completion");
    return used;
  }
}
