/**
 * Asks the front-end for a translation at an address, with these permissions; `answered` is called
 * once it has acknowledged, or can be asked again for another reason.
 */
export type MissHandler = (iova: number, permissions: number, answered: () => void) => void;

/** Pages that are asked for at a time. A ring waits for the first page that it misses. */
const MAX_ASKED = 1024;
/** The smallest page of any IOMMU: what is asked for is remembered by this. */
const PAGE = 4096;
/** Updates without what was asked for until that counts as a no: some answer other questions. */
const MAX_DENIALS = 4;

interface Question {
  permissions: number;
  answered: boolean;
  /** Updates of the page that did not bring what was asked for. */
  denials: number;
}

/**
 * Translations that were asked for: each page once, however often a driver kicks, until the
 * front-end has answered.
 */
export class IotlbMisses {
  readonly #onMiss: MissHandler;
  /** By page. */
  readonly #asked = new Map<number, Question>();

  constructor(onMiss: MissHandler) {
    this.#onMiss = onMiss;
  }

  /** Asks, unless that was done. False: the front-end keeps saying that it is not allowed. */
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

  /** An update of `[start, end)` came. */
  updated(start: number, end: number, permissions: number): void {
    for (const [page, question] of this.#asked) {
      if (page * PAGE + PAGE <= start || page * PAGE >= end) continue;
      // Of a question for both, a part is an answer: an IOMMU may answer one at a time.
      if ((question.permissions & permissions) !== 0) this.#asked.delete(page);
      else {
        question.answered = true;
        question.denials += 1;
      }
    }
  }

  /** Something was withdrawn: what is there afterwards may be allowed. */
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

  /** What was answered without an update leads nowhere, and may be asked again. */
  #makeRoom(): boolean {
    for (const [page, { answered }] of this.#asked) if (answered) this.#asked.delete(page);
    return this.#asked.size < MAX_ASKED;
  }
}
