/**
 * The occurrences at which a fault acts, as strace writes them: `3`, `2..4`, `3+` (the third and all
 * later ones), `1+2` (every other one), `2..8+3`.
 */
export class Occurrences {
  readonly #first: number;
  readonly #last: number;
  readonly #step: number;

  /** @throws {TypeError} the text is not of this form */
  constructor(text: string) {
    const parts = /^(\d+)(?:\.\.(\d+))?(?:(\+)(\d*))?$/.exec(text);
    if (parts === null) {
      throw new TypeError(`when=${text} must be N, N..M, N+ or N+STEP, e.g. when=3 or when=2..8+3`);
    }
    const [, first, last, plus, step] = parts;
    this.#first = Number(first);
    // A number alone is one occurrence; with a plus there is no end.
    this.#last = last === undefined ? (plus === undefined ? this.#first : Infinity) : Number(last);
    this.#step = step === undefined || step === "" ? 1 : Number(step);
    if (this.#first < 1)
      throw new TypeError(
        `when=${text}: occurrences are counted from 1; write when=1 for the first`,
      );
    if (this.#last < this.#first) throw new TypeError(`when=${text} is empty: M is less than N`);
    if (this.#step < 1) throw new TypeError(`when=${text}: STEP must be at least 1`);
  }

  /** @param count the occurrence, from 1 */
  has(count: number): boolean {
    if (count < this.#first || count > this.#last) return false;
    return (count - this.#first) % this.#step === 0;
  }
}
