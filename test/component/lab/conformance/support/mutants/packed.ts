import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import { DescriptorFlag, FRESH_BASE } from "../../../../../../src/core/virtqueue/index.ts";
import { answers, type Mutant, throughHandler, throughQueue } from "../mutant.ts";
import { losesCalls } from "./event.ts";

const { GetVringBase, SetVringBase, SetVringNum } = FrontendRequest;

/** The flags of a descriptor that say in which wrap it is. */
const BOTH_WRAPS = DescriptorFlag.Available | DescriptorFlag.Used;

/** Reads the id in a descriptor, or writes one. */
type Ids = (at: number, id?: number) => number;

/** Puts other ids into used descriptors. @param spoil gets the places of a batch */
const givesBack = (
  what: string,
  spoil: (ids: Ids, batch: readonly number[], round: number) => void,
): Mutant =>
  throughQueue(`gives ${what}`, (queue) => {
    let begin = 0;
    let batch: number[] = [];
    let round = 0;
    return {
      next(cursor) {
        if (!queue.next(cursor)) return false;
        batch.push(begin);
        begin = (begin + cursor.spans.count) % queue.size;
        return true;
      },
      publish() {
        const call = queue.publish();
        const { raw } = queue;
        if (raw.format !== "packed" || batch.length === 0) return call;
        round += 1;
        spoil(
          (at, id = raw.descriptors16[8 * at + 6] ?? 0) => (raw.descriptors16[8 * at + 6] = id),
          batch,
          round,
        );
        batch = [];
        return call;
      },
    };
  });

export const packed: Readonly<Record<string, Mutant>> = {
  "packed/1": givesBack("the first chain of a ring back as buffer 0", (ids, [first], round) => {
    if (round === 1 && first !== undefined) ids(first, 0);
  }),
  "packed/2": throughHandler("takes rings of a power of two only", () => ({
    [SetVringNum]: (plain) => (payload, incoming) => {
      const { num } = payload as VringState;
      if ((num & (num - 1)) !== 0) throw new Error("no power of two");
      return plain(payload, incoming);
    },
  })),
  "packed/3": throughQueue("uses the descriptor behind the last one that it used", (queue) => {
    let used = 0;
    return {
      complete(id, written) {
        queue.complete(id, written);
        used += 1;
      },
      publish() {
        const call = queue.publish();
        const { raw } = queue;
        if (raw.format !== "packed" || used !== 2) return call;
        raw.descriptors16.copyWithin(8, 8 * 3, 8 * 4);
        raw.descriptors16[8 * 3 + 7] = 0;
        return call;
      },
    };
  }),
  "packed/6": givesBack("one of two buffers back twice", (ids, [first, second]) => {
    if (first !== undefined && second !== undefined) ids(second, ids(first));
  }),
  "packed/8": losesCalls(100, "packed"),
  "packed/10": answers<VringState>(
    "answers with the available position only",
    GetVringBase,
    (state) => ({
      ...state,
      num: (state.num & 0xffff) >>> 0,
    }),
  ),
  "packed/11": throughHandler("starts at 0 whatever its base", () => ({
    [SetVringBase]: (plain) => (payload, incoming) =>
      plain({ ...(payload as VringState), num: FRESH_BASE }, incoming),
  })),
  "packed/19": throughQueue(
    "uses a chain as long as the ring with the other wrap counter",
    (queue) => {
      let begin = 0;
      let whole: number | undefined;
      return {
        next(cursor) {
          if (!queue.next(cursor)) return false;
          if (cursor.spans.count === queue.size) whole = begin;
          begin = (begin + cursor.spans.count) % queue.size;
          return true;
        },
        publish() {
          const call = queue.publish();
          const { raw } = queue;
          if (raw.format !== "packed" || whole === undefined) return call;
          const at = 8 * whole + 7;
          raw.descriptors16[at] = (raw.descriptors16[at] ?? 0) ^ BOTH_WRAPS;
          whole = undefined;
          return call;
        },
      };
    },
  ),
};
