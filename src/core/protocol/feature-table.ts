import { UsageError } from "../base/errors/index.ts";

/** The name and meaning of one bit of a feature word. */
export interface FeatureInfo {
  readonly bit: number;
  /** The name in the Linux UAPI headers or in the specification; `bit 47` if there is none. */
  readonly name: string;
  readonly text: string;
}

/** One row of a table: bit, name, explanation, further names. */
export type FeatureRow = readonly [bit: number, name: string, text: string, ...aliases: string[]];

/** A device type as the protocol layer needs it: the meaning of its feature bits. */
export interface DeviceType {
  /** The name in VIRTIO and in this package, for example `block`. */
  readonly name: string;
  /** Bits 0 to 23 and 50 to 63, lowest first. */
  readonly features: readonly FeatureRow[];
}

/** Rows by bit; if two rows have the same bit, the first wins. */
export type FeatureTable = ReadonlyMap<number, FeatureRow>;

export function featureTable(...groups: readonly (readonly FeatureRow[])[]): FeatureTable {
  const table = new Map<number, FeatureRow>();
  for (const row of groups.flat()) {
    if (!table.has(row[0])) table.set(row[0], row);
  }
  return table;
}

/** Returns the set bits of a word, lowest first. */
export function bitsOf(word: bigint): number[] {
  const bits: number[] = [];
  let rest = BigInt.asUintN(64, word);
  for (let bit = 0; rest !== 0n; bit++, rest >>= 1n) {
    if (rest & 1n) bits.push(bit);
  }
  return bits;
}

export function explainBits(table: FeatureTable, word: bigint, unknown: string): FeatureInfo[] {
  return bitsOf(word).map((bit) => {
    const row = table.get(bit);
    return row ? { bit, name: row[1], text: row[2] } : { bit, name: `bit ${bit}`, text: unknown };
  });
}

/** `virtio_ring_f_event-idx` and `VIRTIO_RING_F_EVENT_IDX` are the same to a person. */
const normal = (name: string): string => name.toUpperCase().replaceAll("-", "_");

/**
 * Parses a full name (`VIRTIO_RING_F_EVENT_IDX`), the part after the last `_F_` (`event-idx`), a
 * bit number (`29`, `bit 29`) or a mask (`0x20000000`), which may have several bits.
 *
 * @throws UsageError for anything else
 */
export function parseFeature(table: FeatureTable, text: string, kind: string): bigint {
  const word = text.trim();
  if (/^0x[0-9a-f]{1,16}$/i.test(word)) return BigInt(word);
  const number = /^(?:bit[ _-]?)?(\d{1,2})$/i.exec(word)?.[1];
  if (number !== undefined && Number(number) < 64) return 1n << BigInt(number);
  const wanted = normal(word);
  for (const [bit, name, , ...aliases] of table.values()) {
    const names = [name, ...aliases];
    const short = names.map((each) => each.replace(/^.*?_F_/, ""));
    if ([...names, ...short].includes(wanted)) return 1n << BigInt(bit);
  }
  throw new UsageError(
    `unknown ${kind} feature "${word}"; give a name such as ${example(table)}, a bit number or a mask`,
  );
}

function example(table: FeatureTable): string {
  return [...table.values()].at(-1)?.[1] ?? "bit 0";
}
