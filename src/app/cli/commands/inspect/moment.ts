import { UsageError } from "../../../../core/base/index.ts";

const UNITS: Readonly<Record<string, number>> = { us: 1, µs: 1, ms: 1000, s: 1_000_000 };

/**
 * A time of a capture in microseconds: `1.5s`, `20ms`, `179303us` or `179303` as its lines have it.
 *
 * @throws {UsageError}
 */
export function parseMoment(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)(us|µs|ms|s|)$/.exec(text.trim()) ?? [];
  const us = Number(number) * (UNITS[unit === "" ? "us" : unit] ?? Number.NaN);
  if (us >= 0 && us <= Number.MAX_SAFE_INTEGER) return us;
  throw new UsageError(`"${text}" is not a time such as 1.5s, 20ms or 179303us`);
}
