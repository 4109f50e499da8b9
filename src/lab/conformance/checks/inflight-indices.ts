import { setImmediate as turn } from "node:timers/promises";
import { ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { HandSplit } from "../kit/back-end/hand-split.ts";
import { type LeftBehind, QUEUE_SIZE, resumed, tracked } from "../kit/back-end/resumed-ring.ts";

const NEEDS = { protocol: ProtocolFeature.InflightShmfd, request: true } as const;
const SECTION = "Inflight I/O tracking";
/** The last index of a split ring. */
const LAST = 0xffff;

/**
 * Prepares a region in which the first of five requests were used, and their entries were not
 * cleared.
 *
 * @param from the used index before them
 */
async function lastBatch(t: CheckContext, shown: number, from = 0): Promise<void> {
  const prepare = ({ notes, heads: all, hand: { words } }: LeftBehind): number => {
    const batch = all.slice(0, shown);
    batch.forEach((head, i) => {
      words.used32[1 + 2 * ((from + i) % words.size)] = head;
    });
    Atomics.store(words.used16, 1, (from + shown) & 0xffff);
    notes.begin(QUEUE_SIZE, { usedIdx: from, lastBatchHead: batch.at(-1) ?? 0 });
    all.forEach((head, i) => {
      notes.note(head, { counter: BigInt(i), next: all[i - 1] ?? 0 });
    });
    return shown;
  };
  const { hand, heads, ring, prepared } = await resumed(t, 5, prepare, from);
  const waiting = heads.slice(shown);
  for (const _ of heads.slice(shown)) {
    const used = await hand.expectUsed(`one of chains ${waiting.join(", ")}`);
    const at = waiting.indexOf(used.id);
    t.expectThat("used id", at >= 0, `one of ${waiting.join(", ")}`, used.id);
    prepared.expectAnswer(used);
    waiting.splice(at, 1);
  }
  const index = await watchUntil(hand, ring.stop());
  t.expect("used index until the ring stops", index, (from + heads.length) & 0xffff);
  // A target that is fast may go through 65,536 executions: then the index is right again.
  const written = heads.slice(0, shown).filter((head) => !prepared.isUntouched(head));
  t.expect("chains of the last batch whose buffers were written to", written, []);
}

/**
 * Looks at the used index until something has happened.
 *
 * @returns another index than at first, or that
 */
async function watchUntil(hand: HandSplit, what: Promise<unknown>): Promise<number> {
  const look = (): number => Atomics.load(hand.words.used16, 1);
  const first = look();
  let isOver = false;
  let other: number | undefined;
  const over = what.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    if (other === undefined && look() !== first) other = look();
    await turn();
  }
  await over;
  return other ?? look();
}

/**
 * Prepares a ring whose first chain, with head 0, is in flight, whose second one is used and whose
 * third one was not taken yet.
 *
 * @param from the index of the first chain
 */
async function headZero(t: CheckContext, from: number): Promise<void> {
  const prepare = ({ notes, heads: [zero = 0, used = 0], hand: { words } }: LeftBehind): number => {
    words.used32[1 + 2 * (from % words.size)] = used;
    const usedIdx = (from + 1) & 0xffff;
    Atomics.store(words.used16, 1, usedIdx);
    notes.begin(QUEUE_SIZE, { usedIdx, lastBatchHead: used });
    notes.note(zero);
    return 1;
  };
  const { hand, heads, ring, prepared } = await resumed(t, 3, prepare, from);
  const [zero, completed = 0, third] = heads;
  t.expect("the first head", zero, 0);
  const ids: number[] = [];
  for (let i = 0; i < 2; i += 1) {
    const used = await hand.expectUsed(`chains ${zero} and ${third}`);
    ids.push(used.id);
    if (used.id !== completed) prepared.expectAnswer(used);
  }
  // A device may complete them in any order.
  t.expect(
    "chains that are used",
    ids.toSorted((a, b) => a - b),
    [zero, third],
  );
  const index = await watchUntil(hand, ring.stop());
  t.expect("used index until the ring stops", index, (from + heads.length) & 0xffff);
  t.expect(`chain ${completed} was resubmitted`, !prepared.isUntouched(completed), false);
}

/** Checks of where a ring goes on that has an in-flight region. */
export const inflightIndices: readonly Check[] = [
  {
    id: "inflight/10",
    title: "requests that the driver has seen as used are not resubmitted",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      await lastBatch(t, 1);
      await lastBatch(t, 3);
    },
  },
  {
    id: "inflight/18",
    title: "a ring with a fresh in-flight region starts at its base, and its indices wrap",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      for (const base of [7, LAST - 1]) {
        t.closeSessions();
        const { request, notes, ring } = await tracked(t, { base });
        const count = QUEUE_SIZE + 1;
        for (let i = 0; i < count; i += 1) await request();
        const end = (base + count) & 0xffff;
        t.expect(`GET_VRING_BASE after base ${base}`, await ring.stop(), end);
        t.expect(`used index in the region after base ${base}`, notes.usedIdx, end);
        t.expect("chains in flight", notes.heads(QUEUE_SIZE), []);
      }
    },
  },
  {
    id: "inflight/19",
    title: "the chain with head 0 is resubmitted where it was in flight, and none that is used",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      // The used index in the region is 1, and 0 behind the wrap.
      for (const from of [0, LAST]) await headZero(t, from);
    },
  },
  {
    id: "inflight/20",
    title: "the last batch is found where the used index wrapped within it",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      await lastBatch(t, 1, LAST);
      await lastBatch(t, 3, LAST - 1);
    },
  },
];
