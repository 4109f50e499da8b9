import type { BackendOptions } from "../../../../../../src/endpoints/backend/index.ts";
import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import { WrappedQueue } from "../../../../../../src/lab/faults/wrapped-queue.ts";
import type { ChainCursor, DeviceQueue } from "../../../../../../src/core/virtqueue/index.ts";
import { type Mutant, type Serving, throughHandler } from "../mutant.ts";
import { WaitsForKick } from "./vring.ts";

const { GetVringBase, SetVringBase } = FrontendRequest;

/** The used index of a ring as it starts. */
const startOf = ({ raw }: DeviceQueue): number =>
  raw.format === "split" ? Atomics.load(raw.used16, 1) : 0;

/** A back-end some of whose rings have another device half, depending on where they start. */
const startingAt = (
  summary: string,
  isMeant: (usedIndex: number) => boolean,
  make: (queue: DeviceQueue) => DeviceQueue,
): Mutant => ({
  fault: summary,
  apply: (options: BackendOptions) => ({
    ...options,
    queue: (queue) => (isMeant(startOf(queue)) ? make(queue) : queue),
  }),
});

/** Takes what is available as the ring starts, and completes nothing of it. */
class Skips extends WrappedQueue {
  #hasSkipped = false;

  override next(chain: ChainCursor): boolean {
    while (!this.#hasSkipped && super.next(chain));
    this.#hasSkipped = true;
    return super.next(chain);
  }
}

/** Does not write `avail_event` before it has taken a chain, as libvhost-user. */
class KeepsEvent extends WrappedQueue {
  #hasTaken = false;

  override next(chain: ChainCursor): boolean {
    const isTaken = super.next(chain);
    this.#hasTaken ||= isTaken;
    return isTaken;
  }

  override enableNotifications(): boolean {
    return this.#hasTaken ? super.enableNotifications() : !this.hasNext();
  }
}

/** Answers a second GET_VRING_BASE in a row like the first. */
const forgetful = (): Readonly<Record<number, Serving>> => {
  let previous: VringState | undefined;
  let count = 0;
  return {
    [GetVringBase]: (plain) => async (payload, incoming) => {
      const state = (await plain(payload, incoming)) as VringState;
      count += 1;
      if (count % 2 === 0 && previous?.index === state.index) return previous;
      previous = state;
      return state;
    },
  };
};

export const start: Readonly<Record<string, Mutant>> = {
  "start/1": startingAt(
    "waits for a kick where a ring starts again",
    (used) => used > 0 && used < 0x8000,
    (queue) => new WaitsForKick(queue),
  ),
  "start/2": startingAt(
    "waits for a kick where a ring is restored",
    (used) => used >= 0x8000,
    (queue) => new WaitsForKick(queue),
  ),
  "start/3": startingAt(
    "drops what waits in a ring that goes on",
    (used) => used > 0,
    (queue) => new Skips(queue),
  ),
  "start/4": startingAt(
    "keeps the avail_event of its predecessor",
    () => true,
    (queue) => new KeepsEvent(queue),
  ),
  "start/5": throughHandler("starts a ring an entry before its base", () => ({
    [SetVringBase]: (plain) => (payload, incoming) => {
      const { index, num } = payload as VringState;
      return plain({ index, num: Math.max(0, num - 1) }, incoming);
    },
  })),
  "start/6": throughHandler("answers a second GET_VRING_BASE like the first", forgetful),
};
