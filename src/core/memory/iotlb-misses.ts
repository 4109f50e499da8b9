/**
 * Asks the front-end for a translation at an address, with these permissions; `answered` is called
 * once it has acknowledged, or can be asked again for another reason.
 */
export type MissHandler = (iova: number, permissions: number, answered: () => void) => void;

/** Pages that are asked for at a time. A ring waits for the first page that it misses. */
const MAX_ASKED = 1024;
/** The smallest page of any IOMMU; questions are recorded by page. */
const PAGE = 4096;
/**
 * Number of updates of a page without the wanted permissions that count as a refusal: some updates
 * answer other questions.
 */
const MAX_DENIALS = 4;

interface Question {
  permissions: number;
  answered: boolean;
  /** Updates of the page that did not grant the wanted permissions. */
  denials: number;
}

/**
 * The translations that were requested: each page once, however often a driver kicks, until the
 * front-end has answered.
 */
export class IotlbMisses {
  readonly #onMiss: MissHandler;
  /** The open questions, by page. */
  readonly #asked = new Map<number, Question>();

  constructor(onMiss: MissHandler) {
    this.#onMiss = onMiss;
  }

  /**
   * Requests a translation unless that was done. Returns false if the front-end keeps refusing it.
   */
  want(address: number, permissions: number): boolean {
    const page = Math.floor(address / PAGE);
    const before = this.#asked.get(page);
    if (before === undefined) {
      if (this.#asked.size >= MAX_ASKED && !this.#makeRoom()) return true;
      this.#ask(page, address, { permissions, answered: false, denials: 0 });
    } else if (before.answered) {
      if (before.denials >= MAX_DENIALS) return false;
      this.#ask(page, address, { ...before, permissions, answered: false });
    } else if ((permissions & ~before.permissions) !== 0) {
      before.permissions |= permissions;
      this.#onMiss(address, permissions, () => undefined);
    }
    return true;
  }

  /** Takes account of an update of `[start, end)`. */
  updated(start: number, end: number, permissions: number): void {
    for (const [page, question] of this.#asked) {
      if (page * PAGE + PAGE <= start || page * PAGE >= end) continue;
      // A part of the wanted permissions counts as an answer: an IOMMU may grant one at a time.
      if ((question.permissions & permissions) !== 0) this.#asked.delete(page);
      else {
        question.answered = true;
        question.denials += 1;
      }
    }
  }

  /** Forgets refusals after an invalidation: the next mapping may be allowed. */
  forgetDenials(): void {
    for (const question of this.#asked.values()) question.denials = 0;
  }

  clear(): void {
    this.#asked.clear();
  }

  #ask(page: number, address: number, question: Question): void {
    this.#asked.set(page, question);
    this.#onMiss(address, question.permissions, () => {
      question.answered = true;
    });
  }

  /** Drops questions that were answered without an update, so that they can be asked again. */
  #makeRoom(): boolean {
    for (const [page, { answered }] of this.#asked) if (answered) this.#asked.delete(page);
    return this.#asked.size < MAX_ASKED;
  }
}
