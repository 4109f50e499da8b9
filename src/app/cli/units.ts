import { counted, UsageError } from "../../core/base/index.ts";

const SIZES: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};
const TIMES: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  "": 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * `4096`, `64K`, `256M`, `1GiB`: bytes, powers of 1024.
 *
 * @throws {UsageError}
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = Number(match?.[1]) * (SIZES[match?.[2]?.toLowerCase() ?? ""] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`"${text}" is not a size such as 4096, 64K or 256M`);
}

/**
 * `500ms`, `5s`, `5`, `2m`, `8h`: milliseconds; a bare number is seconds.
 *
 * @throws {UsageError}
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/i.exec(text.trim());
  const ms = Number(match?.[1]) * (TIMES[match?.[2]?.toLowerCase() ?? ""] ?? Number.NaN);
  // A longer timer would fire at once.
  if (ms > 0 && ms < 2 ** 31) return ms;
  throw new UsageError(`"${text}" is not a duration such as 500ms, 5s or 2m`);
}

/**
 * Parses a duration that may be 0.
 *
 * @throws {UsageError}
 */
export function parseDurationOrZero(text: string): number {
  return /^0+(?:\.0+)?(?:ms|s|m|h|)$/i.test(text.trim()) ? 0 : parseDuration(text);
}

/**
 * A whole number in a range.
 *
 * @throws {UsageError}
 */
export function parseInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError(`"${text}" is not a whole number from ${min} to ${max}`);
  };
}

/**
 * `a,b,c`, each through `parse`; at least one.
 *
 * @throws {UsageError}
 */
export function parseList<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => {
    const parts = text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    if (parts.length === 0) throw new UsageError(`"${text}" is not a list such as a,b,c`);
    return parts.map(parse);
  };
}

/**
 * Returns the text if it is one of the given words.
 *
 * @throws {UsageError}
 */
export function parseChoice<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text.trim().toLowerCase());
    if (found !== undefined) return found;
    throw new UsageError(`"${text}" is not one of ${choices.join(", ")}`);
  };
}

/** `64 MiB`, `1.5 GiB`, `512 bytes`. */
export function formatSize(bytes: number): string {
  const units = ["GiB", "MiB", "KiB"];
  for (const [i, unit] of units.entries()) {
    const size = 2 ** (10 * (3 - i));
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${unit}`;
  }
  return counted(bytes, "byte");
}
