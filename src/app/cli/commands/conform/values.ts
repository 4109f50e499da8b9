import { UsageError } from "../../../../core/base/index.ts";
import { type Profile, profiles, type Strength } from "../../../../lab/conformance/index.ts";

const STRENGTHS: readonly Strength[] = ["MUST", "SHOULD", "ROBUSTNESS", "-"];

/** @throws {UsageError} */
export function parseProfile(text: string): Profile {
  const profile = profiles.find((name) => name === text);
  if (profile !== undefined) return profile;
  throw new UsageError(`"${text}" is not one of ${profiles.join(", ")}`);
}

/** @throws {UsageError} */
export function parseStrength(text: string): Strength {
  const strength = STRENGTHS.find((name) => name === text.toUpperCase());
  if (strength !== undefined) return strength;
  throw new UsageError(`"${text}" is not one of ${STRENGTHS.join(", ")}`);
}

/** @throws {UsageError} */
export function parseFactor(text: string): number {
  const factor = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (factor >= 0.1 && factor <= 1000) return factor;
  throw new UsageError(`"${text}" is not a number from 0.1 to 1000`);
}

/**
 * `2/4`: the second of four parts.
 *
 * @throws {UsageError}
 */
export function parseShard(text: string): { readonly index: number; readonly count: number } {
  const [, index, count] = (/^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? []).map(Number);
  if (index && count && index <= count) return { index, count };
  throw new UsageError(`"${text}" is not a part such as 1/4`);
}
