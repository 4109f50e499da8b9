import { counted } from "../../../core/base/index.ts";

/** Growth from the first to the last value along the line that fits them best. */
export function slope(values: readonly number[]): number {
  const n = values.length;
  const middle = (n - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const up = values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0);
  const across = values.reduce((sum, _value, i) => sum + (i - middle) ** 2, 0);
  return across === 0 ? 0 : (up / across) * (n - 1);
}

/**
 * Growth over all rounds: along the fitted line, and only if each third of the values is above the
 * one before. What is made once, however late, and what comes and goes, is none.
 */
export function steadyGrowth(values: readonly number[]): number {
  const third = Math.floor(values.length / 3);
  if (third === 0) return 0;
  const thirds = [0, 1, 2].map((i) => {
    const part = values.slice(i * third, i === 2 ? undefined : (i + 1) * third);
    return part.toSorted((a, b) => a - b)[part.length >> 1] ?? 0;
  });
  const [first = 0, second = 0, last = 0] = thirds;
  return first < second && second < last ? slope(values) : 0;
}

/** The resources that a process holds. */
export interface Holdings {
  readonly descriptors: number;
  /** Shared ones. */
  readonly mappings: number;
  readonly residentBytes: number;
}

/** The growth over the rounds after the first quarter. */
export interface Growth extends Holdings {
  /** Rounds behind this figure; with fewer than {@link ENOUGH_ROUNDS} it means nothing. */
  readonly rounds: number;
  readonly first: Holdings;
  readonly last: Holdings;
}

export const ENOUGH_ROUNDS = 9;
/** A heap takes longer to find its size. */
const ENOUGH_ROUNDS_OF_MEMORY = 60;
/** Growth of resident memory that counts as none: this share of it, and never less than that. */
const MEMORY_SHARE = 0.02;
const MEMORY_BYTES = 1 << 20;

/** @param history a round each */
export function growthOf(history: readonly Holdings[]): Growth {
  const settled = history.slice(Math.floor(history.length / 4));
  const none = { descriptors: 0, mappings: 0, residentBytes: 0 };
  const of = (field: keyof Holdings): number => steadyGrowth(settled.map((held) => held[field]));
  return {
    rounds: settled.length,
    first: settled[0] ?? none,
    last: settled.at(-1) ?? none,
    descriptors: of("descriptors"),
    mappings: of("mappings"),
    residentBytes: of("residentBytes"),
  };
}

/** Describes the resources that grow and should not; too few rounds are not judged. */
export function growthFaults({ rounds, first, last, ...growth }: Growth): string[] {
  if (rounds < ENOUGH_ROUNDS) return [];
  const limits: Holdings = {
    descriptors: 1,
    mappings: 1,
    residentBytes:
      rounds < ENOUGH_ROUNDS_OF_MEMORY
        ? Infinity
        : Math.max(MEMORY_BYTES, first.residentBytes * MEMORY_SHARE),
  };
  const names = {
    descriptors: "descriptors",
    mappings: "shared mappings",
    residentBytes: "bytes of memory",
  };
  return (Object.keys(limits) as (keyof Holdings)[])
    .filter((field) => growth[field] >= limits[field])
    .map(
      (field) =>
        `${names[field]} grow: from ${first[field]} to ${last[field]} in ${counted(rounds, "round")}, ` +
        `${growth[field].toFixed(0)} along the line that fits best`,
    );
}
