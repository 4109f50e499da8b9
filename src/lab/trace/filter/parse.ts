import { asError } from "../../../core/base/index.ts";
import { type EventFilter, terms } from "./terms.ts";
import { filterError, isSign, type Token, tokensOf } from "./tokens.ts";

/** Parentheses and negations in one another. */
const MAX_DEPTH = 100;

/**
 * Makes a filter of events from its text: words, which `&` (or nothing) and `|` connect, `!` and
 * parentheses. `&` binds more tightly than `|`.
 *
 * @throws {UsageError} naming the column
 *
 * @example
 * ```ts
 * import { parseFilter } from "vhost-user/testing";
 *
 * const filter = parseFilter("SET_VRING_* & ring=0 | error");
 * console.log(typeof filter); // "function"
 * ```
 */
export function parseFilter(text: string): EventFilter {
  return new FilterParser(text).parse();
}

class FilterParser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  parse(): EventFilter {
    const filter = this.#any();
    const rest = this.#tokens[this.#next];
    if (rest !== undefined) throw this.#error(rest, `"${rest.text}" has no opening parenthesis`);
    return filter;
  }

  #any(): EventFilter {
    const choices = [this.#all()];
    while (this.#take("|")) choices.push(this.#all());
    return (event) => choices.some((each) => each(event));
  }

  #all(): EventFilter {
    const parts = [this.#not()];
    for (;;) {
      const next = this.#tokens[this.#next];
      const goesOn = this.#take("&") || (next !== undefined && !"|)&".includes(next.text));
      if (!goesOn) break;
      parts.push(this.#not());
    }
    return (event) => parts.every((each) => each(event));
  }

  #not(): EventFilter {
    const token = this.#tokens[this.#next];
    if (token === undefined) {
      const what =
        this.#tokens.length === 0 ? "the filter is empty" : "a word is missing at the end";
      throw filterError(this.#text, this.#text.length, what);
    }
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw this.#error(token, "too many parentheses in one another");
    try {
      return this.#one(token);
    } finally {
      this.#depth -= 1;
    }
  }

  #one(token: Token): EventFilter {
    this.#next += 1;
    if (token.text === "!") {
      const inner = this.#not();
      return (event) => !inner(event);
    }
    if (token.text === "(") {
      const inner = this.#any();
      if (!this.#take(")")) throw this.#error(token, "this parenthesis is not closed");
      return inner;
    }
    if (isSign(token)) throw this.#error(token, `a word is missing before "${token.text}"`);
    return this.#word(token);
  }

  #word(token: Token): EventFilter {
    for (const term of terms) {
      let filter: EventFilter | undefined;
      try {
        filter = term.parse(token.text);
      } catch (error) {
        throw this.#error(token, asError(error).message);
      }
      if (filter !== undefined) return filter;
    }
    throw this.#error(token, `"${token.text}" is not a word of filters; --help-filter lists them`);
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#next]?.text !== text) return false;
    this.#next += 1;
    return true;
  }

  #error({ at }: Token, what: string): Error {
    return filterError(this.#text, at, what);
  }
}
