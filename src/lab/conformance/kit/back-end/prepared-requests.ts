import { counted } from "../../../../core/base/index.ts";
import type { UsedElement } from "../../../wire/index.ts";
import type { CheckContext } from "./context.ts";
import type { DeviceByHand } from "./hand-split.ts";
import type { KitRequest } from "./kit.ts";
import { POISON } from "./memory.ts";
import { descriptorsOf } from "./descriptors.ts";

/** Pre-built descriptor chains that are made available repeatedly. */
export class PreparedRequests {
  readonly heads: readonly number[];
  readonly #byHead = new Map<number, KitRequest>();
  readonly #t: CheckContext;
  readonly #device: Pick<DeviceByHand, "hand" | "memory" | "ring">;

  /** @param count at most; as many as the ring has descriptors for */
  constructor(
    t: CheckContext,
    device: Pick<DeviceByHand, "hand" | "memory" | "ring">,
    count: number = Infinity,
  ) {
    this.#t = t;
    this.#device = device;
    const { hand, memory } = device;
    for (let at = 0; this.#byHead.size < count;) {
      const request = t.kit.request(memory);
      const descriptors = descriptorsOf(request);
      if (at + descriptors.length > hand.words.size) break;
      this.#byHead.set(hand.chain(descriptors, at), request);
      at += descriptors.length;
    }
    this.heads = [...this.#byHead.keys()];
  }

  /**
   * Makes the first `count` available, all at once.
   *
   * @returns whether the device wants a kick
   */
  makeAvailable(count: number = this.heads.length): boolean {
    const heads = this.heads.slice(0, count);
    for (const head of heads) {
      for (const { bytes } of this.#byHead.get(head)?.writable ?? []) bytes.fill(POISON);
    }
    return this.#device.hand.makeAvailable(...heads);
  }

  /**
   * Makes the first `count` available, kicks, and waits for them.
   *
   * @throws {CaseFailure}
   */
  async serve(count: number = this.heads.length): Promise<void> {
    this.makeAvailable(count);
    this.#device.ring.kick.signal();
    await this.used(count);
  }

  /**
   * Waits until the first `count` are used, each once and without an error.
   *
   * @throws {CaseFailure}
   */
  async used(count: number = this.heads.length): Promise<void> {
    const waiting = new Set(this.heads.slice(0, count));
    while (waiting.size > 0) {
      const used = await this.#device.hand.expectUsed(`one of ${counted(waiting.size, "request")}`);
      const { id } = used;
      this.#t.expectThat("used id", waiting.delete(id), `one of ${[...waiting].join(", ")}`, id);
      this.expectAnswer(used);
    }
  }

  /**
   * Judges the answer to one of them.
   *
   * @throws {CaseFailure} it is wrong
   */
  expectAnswer({ id, length }: UsedElement): void {
    const wrong = this.#byHead.get(id)?.wrong(length);
    this.#t.expect(`the answer to chain ${id}`, wrong ?? "correct", "correct");
  }

  /** Returns whether the buffers of a chain are as {@link makeAvailable} left them. */
  isUntouched(head: number): boolean {
    const { writable = [] } = this.#byHead.get(head) ?? {};
    return writable.every(({ bytes }) => bytes.every((byte) => byte === POISON));
  }
}
