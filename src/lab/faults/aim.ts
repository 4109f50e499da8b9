/** Decides which messages of a session a fault strikes. */
export class Aim {
  readonly #request: number | undefined;
  readonly #occurrence: number | undefined;
  #seen = 0;

  /** @param occurrence from 1; undefined if each */
  constructor(request?: number, occurrence?: number) {
    this.#request = request;
    this.#occurrence = occurrence;
  }

  /**
   * Returns whether the fault strikes this message. It counts occurrences, so call it once per
   * message.
   */
  hits(request: number): boolean {
    if (this.#request !== undefined && request !== this.#request) return false;
    this.#seen += 1;
    return this.#occurrence === undefined || this.#seen === this.#occurrence;
  }
}
