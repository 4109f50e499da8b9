import { counted } from "../../../../core/base/index.ts";
import type { CheckContext } from "./context.ts";
import type { UpByHand } from "./hand-split.ts";
import type { KitRequest } from "./kit.ts";
import { POISON } from "./memory.ts";
import { descriptorsOf } from "./descriptors.ts";

/** Requests that lie in a ring's descriptors for good, to be made available over and over. */
export class LaidRequests {
  readonly heads: readonly number[];
  readonly #byHead = new Map<number, KitRequest>();
  readonly #t: CheckContext;
  readonly #up: Pick<UpByHand, "hand" | "memory" | "ring">;

  /** @param count at most; as many as the ring has descriptors for */
  constructor(
    t: CheckContext,
    up: Pick<UpByHand, "hand" | "memory" | "ring">,
    count: number = Infinity,
  ) {
    this.#t = t;
    this.#up = up;
    const { hand, memory } = up;
    for (let at = 0; this.#byHead.size < count;) {
      const request = t.kit.request(memory);
      const pieces = descriptorsOf(request);
      if (at + pieces.length > hand.words.size) break;
      this.#byHead.set(hand.chain(pieces, at), request);
      at += pieces.length;
    }
    this.heads = [...this.#byHead.keys()];
  }

  /** Makes the first `count` available, all at once. @returns whether the device wants a kick */
  show(count: number = this.heads.length): boolean {
    const heads = this.heads.slice(0, count);
    for (const head of heads) {
      for (const { bytes } of this.#byHead.get(head)?.writable ?? []) bytes.fill(POISON);
    }
    return this.#up.hand.show(...heads);
  }

  /** Makes the first `count` available, kicks, and waits for them. @throws {CaseFailure} */
  async serve(count: number = this.heads.length): Promise<void> {
    this.show(count);
    this.#up.ring.kick.signal();
    await this.used(count);
  }

  /** These were used, each once, and well. @throws {CaseFailure} */
  async used(count: number = this.heads.length): Promise<void> {
    const waiting = new Set(this.heads.slice(0, count));
    while (waiting.size > 0) {
      const { id, length } = await this.#up.hand.expectUsed(
        `one of ${counted(waiting.size, "request")}`,
      );
      this.#t.expectThat("used id", waiting.delete(id), `one of ${[...waiting].join(", ")}`, id);
      const wrong = this.#byHead.get(id)?.wrong(length);
      this.#t.expect(`the answer to chain ${id}`, wrong ?? "as it should be", "as it should be");
    }
  }
}
