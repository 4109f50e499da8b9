import { DescriptorFlag } from "../../../../../../src/core/virtqueue/index.ts";
import { fault, type Mutant, throughQueue } from "../mutant.ts";
import { chainOf, type Laid, splitOf } from "../ring-words.ts";

const { Indirect, Write } = DescriptorFlag;

/** Serves no ring any more once a chain is so. */
const refuses = (
  what: string,
  bad: (chain: readonly Laid[], size: number, before: readonly Laid[]) => boolean,
): Mutant =>
  throughQueue(`does not take ${what}`, (queue) => {
    let before: readonly Laid[] = [];
    return {
      next(cursor) {
        if (!queue.next(cursor)) return false;
        const chain = chainOf(splitOf(queue), cursor.id);
        if (bad(chain, queue.size, before)) {
          queue.fail(`got ${what}`, "2.7");
          return false;
        }
        before = chain;
        return true;
      },
    };
  });

/** Loses a chain where `lost` says so; it gets the number of chains taken since the last publish. */
const loses = (
  what: string,
  make: () => (taken: number, descriptors: number, id: number, size: number) => boolean,
): Mutant =>
  throughQueue(`loses ${what}`, (queue) => {
    const lost = make();
    let taken = 0;
    let descriptors = 0;
    return {
      next(cursor) {
        if (!queue.next(cursor)) return false;
        taken += 1;
        descriptors += cursor.spans.count;
        return true;
      },
      complete(id, written) {
        if (!lost(taken, descriptors, id, queue.size)) queue.complete(id, written);
      },
      publish() {
        taken = descriptors = 0;
        return queue.publish();
      },
    };
  });

const isTable = ({ flags }: Laid): boolean => (flags & Indirect) !== 0;

export const split: Readonly<Record<string, Mutant>> = {
  "split/1": throughQueue("gives the first chain of a ring back as chain 0", (queue) => {
    let first = true;
    return {
      complete(id, written) {
        queue.complete(first ? 0 : id, written);
        first = false;
      },
    };
  }),
  "split/2": loses(
    "the last chain of a full ring",
    () => (_taken, descriptors, _id, size) => descriptors >= size - 1,
  ),
  "split/3": loses("every chain after 65,535", () => {
    let count = 0;
    return () => (count += 1) > 65_535;
  }),
  "split/4": refuses("a header in more than one descriptor", ([head]) => (head?.length ?? 0) < 16),
  "split/5": refuses("a chain as long as the ring", ({ length }, size) => length === size),
  "split/7": refuses(
    "a status with data in front of it",
    (chain) => !chain.some(isTable) && chain.at(-1)?.length !== 1,
  ),
  "split/8": refuses("a chain that jumps", (chain) =>
    chain.slice(1).some(({ at }, i) => at !== (chain[i]?.at ?? 0) + 1),
  ),
  "split/9": loses("a head that it has just completed, now and then", () => {
    let last = -1;
    let same = 0;
    return (_taken, _descriptors, id) => {
      same = id === last ? same + 1 : 0;
      last = id;
      return same > 50;
    };
  }),
  "split/10": refuses("a table of more than 8", (chain) =>
    chain.some((each) => isTable(each) && each.length > 8 * 16),
  ),
  "split/11": refuses(
    "a chain of the ring after a table",
    (chain, _size, before) => before.some(isTable) && !chain.some(isTable),
  ),
  "split/12": refuses("a table that is not aligned to 16", (chain) =>
    chain.some((each) => isTable(each) && each.address % 16n !== 0n),
  ),
  "split/14": throughQueue(
    "dies by SIGSEGV of a table that was not negotiated",
    (queue, world) => ({
      next(cursor) {
        const more = queue.next(cursor);
        const flags = splitOf(queue).descriptors16[8 * cursor.id + 6] ?? 0;
        if (more && (flags & Indirect) !== 0) world.crash("SIGSEGV");
        return more;
      },
    }),
  ),
  "split/15": refuses("a table with WRITE", (chain) =>
    chain.some((each) => isTable(each) && (each.flags & Write) !== 0),
  ),
  "split/16": throughQueue("says that it wrote 8 bytes more than it did", (queue) => ({
    complete: (id, written) => queue.complete(id, written + 8),
  })),
  "split/18": throughQueue("completes a chain again instead of a shorter one", (queue) => {
    let last = { id: 0, written: 0 };
    return {
      complete(id, written) {
        if (written >= last.written) last = { id, written };
        queue.complete(last.id, last.written);
      },
    };
  }),
  "split/20": throughQueue("writes to the descriptors that it has read", (queue) => ({
    next(cursor) {
      if (!queue.next(cursor)) return false;
      splitOf(queue).descriptors16[8 * cursor.id + 7] = 0;
      return true;
    },
  })),
  "split/21": throughQueue("says that it wrote one byte less than it did", (queue) => ({
    complete: (id, written) => queue.complete(id, written - 1),
  })),
  "split/22": loses("chains beyond the 16th of a step", () => (taken) => taken > 16),
  "split/24": fault("corrupt-write"),
  "split/25": refuses(
    "a table behind other descriptors",
    (chain) => chain.length > 1 && chain.some(isTable),
  ),
};
