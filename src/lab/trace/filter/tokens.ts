import { UsageError } from "../../../core/base/index.ts";

/** A word or a sign of a filter. */
export interface Token {
  readonly text: string;
  /** The position of the token, from 0. */
  readonly at: number;
}

const SIGNS = new Set(["(", ")", "!", "&", "|"]);

/** Splits a filter into words and the signs `( ) ! & |`. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const match of text.matchAll(/[()!&|]|[^\s()!&|]+/g)) {
    tokens.push({ text: match[0], at: match.index });
  }
  return tokens;
}

export function isSign({ text }: Token): boolean {
  return SIGNS.has(text);
}

/**
 * The error for a filter: what is wrong, with the place under it.
 *
 * @param at from 0
 */
export function filterError(filter: string, at: number, what: string): UsageError {
  return new UsageError(`column ${at + 1}: ${what}\n  ${filter}\n  ${" ".repeat(at)}^`);
}
