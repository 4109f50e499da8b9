import { DescriptorFlag } from "../../../../../../src/core/virtqueue/index.ts";
import type { SplitRingWords } from "../../../../../../src/core/virtqueue/index.ts";
import { type Mutant, throughQueue } from "../mutant.ts";
import { type Laid, newestChain, splitOf } from "../ring-words.ts";

const { Indirect, Write } = DescriptorFlag;

/** Dies of a ring that is broken for that reason, or of a chain that cannot be reached or is odd. */
const diesOf = (
  what: string,
  reason: RegExp,
  shape: (chain: readonly Laid[], raw: SplitRingWords) => boolean = () => true,
): Mutant =>
  throughQueue(`dies by SIGSEGV of ${what}`, (queue, world) => ({
    next(cursor) {
      const more = queue.next(cursor);
      const raw = splitOf(queue);
      const unreachable = more ? cursor.unreachable?.reason : undefined;
      const why = queue.broken?.reason ?? unreachable ?? "fine";
      if (reason.test(why) && shape(newestChain(raw), raw)) world.crash("SIGSEGV");
      return more;
    },
  }));

const table = (chain: readonly Laid[]): Laid | undefined =>
  chain.find(({ flags }) => (flags & Indirect) !== 0);

export const hostile: Readonly<Record<string, Mutant>> = {
  "hostile/1": diesOf(
    "a descriptor that leads to itself",
    /loop/,
    ([head]) => head?.next === head?.at,
  ),
  "hostile/2": diesOf(
    "descriptors that lead to each other",
    /loop/,
    ([head]) => head?.next !== head?.at,
  ),
  "hostile/3": diesOf("a loop in a table", /loop/, (chain) => table(chain) !== undefined),
  "hostile/4": diesOf(
    "a head beyond the ring",
    /expected next below/,
    ({ length }) => length === 0,
  ),
  "hostile/5": diesOf(
    "a descriptor that leads out of the table",
    /expected next below/,
    (chain) => chain.length > 0 && table(chain) === undefined,
  ),
  "hostile/6": diesOf(
    "a table that leads out of itself",
    /expected next below/,
    (chain) => table(chain) !== undefined,
  ),
  "hostile/7": diesOf(
    "an available index that jumps",
    /chains available or in use/,
    (_chain, { available }) => Atomics.load(available, 1) < 0x8000,
  ),
  "hostile/8": diesOf(
    "an available index that goes back",
    /chains available or in use/,
    (_chain, { available }) => Atomics.load(available, 1) >= 0x8000,
  ),
  "hostile/9": diesOf("a buffer in a hole", /inside shared memory.*address 0x130000000;/),
  "hostile/10": diesOf("a buffer that wraps", /inside shared memory.*address 0xf{13}000;/),
  "hostile/11": diesOf(
    "a buffer that leaves its region",
    /inside shared memory, got 8192 bytes at guest address 0x1000[0-9a-f]{5};/,
  ),
  "hostile/12": diesOf("a buffer of 4 GiB", /at most 2\^32 bytes/),
  "hostile/13": diesOf("a descriptor of no bytes", /./, (chain) =>
    chain.some(({ length, flags }) => length === 0 && (flags & Indirect) === 0),
  ),
  "hostile/14": diesOf(
    "a readable descriptor behind a writable one",
    /readable descriptors must come first/,
  ),
  "hostile/16": diesOf("a table of 17 bytes", /n \* 16 bytes, got 17/),
  "hostile/17": diesOf("a table in a table", /inside an indirect table/),
  "hostile/18": diesOf("a table with NEXT", /both INDIRECT and NEXT/),
  "hostile/19": diesOf("undefined flags", /./, (chain) =>
    chain.some(({ flags }) => flags >= 0x100),
  ),
  "hostile/24": throughQueue("dies by SIGABRT of a head that it has already", (queue, world) => {
    let last = -1;
    return {
      next(cursor) {
        const more = queue.next(cursor);
        if (more && cursor.id === last) world.crash("SIGABRT");
        if (more) last = cursor.id;
        return more;
      },
      publish() {
        last = -1;
        return queue.publish();
      },
    };
  }),
  "hostile/25": diesOf("a buffer over the used ring", /./, (chain, { used32 }) =>
    chain.some(({ address, flags, length }) => {
      const page = BigInt(used32.byteOffset % 4096);
      return (flags & Write) !== 0 && length === 512 && address % 4096n === page;
    }),
  ),
  "hostile/26": throughQueue(
    "serves no ring any more once one is broken",
    (() => {
      const broken = new Set<object>();
      return (queue, world) => ({
        next(cursor) {
          if (broken.has(world)) return false;
          const more = queue.next(cursor);
          if (queue.broken !== undefined) broken.add(world);
          return more;
        },
      });
    })(),
  ),
  "hostile/27": throughQueue("does not report a broken ring", (queue) => ({
    next(cursor) {
      if (Atomics.load(splitOf(queue).available, 1) > 0 && newestChain(splitOf(queue)).length === 0)
        return false;
      return queue.next(cursor);
    },
  })),
};
