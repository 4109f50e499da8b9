import { type Uring, UringOperation } from "../../../core/os/index.ts";

const POLLIN = 1;
/** Numbers of completions that belong to watched descriptors; those of requests follow. */
export const WATCH_NUMBERS = 1 << 16;
/** The number of completions that nothing waits for. */
const IGNORED = 0;

/** Watches descriptors in a ring, so that one system call waits for them and for requests. */
export class UringWatch {
  readonly #ring: Uring;
  /** By index: the descriptor that is watched, or -1, the number of its completion, and whether it was readable. */
  readonly #watched: number[] = [];
  readonly #numbers: number[] = [];
  readonly #readable: boolean[] = [];
  #next = 1;

  constructor(ring: Uring) {
    this.#ring = ring;
  }

  /** Returns whether one of the first `count` descriptors was readable since {@link take}. */
  seen(count: number): boolean {
    for (let index = 0; index < count; index += 1) if (this.#readable[index] === true) return true;
    return false;
  }

  /** Watches each descriptor once more that is not being watched. */
  add(fds: Int32Array): void {
    for (let index = 0; index < fds.length; index += 1) {
      const fd = fds[index] ?? -1;
      if (fd < 0 || this.#watched[index] === fd || this.#readable[index] === true) continue;
      this.#remove(index);
      this.#next = this.#next + 1 < WATCH_NUMBERS ? this.#next + 1 : 1;
      if (!this.#ring.add(UringOperation.PollAdd, fd, 0, 0, 0, 0, 0, POLLIN, this.#next)) continue;
      this.#watched[index] = fd;
      this.#numbers[index] = this.#next;
    }
  }

  completed(number: number, result: number): void {
    const index = number === IGNORED ? -1 : this.#numbers.indexOf(number);
    if (index < 0) return;
    this.#watched[index] = -1;
    this.#numbers[index] = IGNORED;
    // An error is ready too: the read that follows reports it.
    this.#readable[index] = result !== 0;
  }

  take(ready: Int32Array): void {
    for (let index = 0; index < ready.length; index += 1) {
      ready[index] = this.#readable[index] === true ? 1 : 0;
      this.#readable[index] = false;
    }
  }

  /** Ends every watch: the numbers may be those of other descriptors from now on. */
  forget(): void {
    for (let index = 0; index < this.#watched.length; index += 1) this.#remove(index);
  }

  #remove(index: number): void {
    const number = this.#numbers[index] ?? IGNORED;
    this.#readable[index] = false;
    this.#watched[index] = -1;
    this.#numbers[index] = IGNORED;
    if (number === IGNORED) return;
    const { PollRemove } = UringOperation;
    if (this.#ring.free === 0) this.#ring.enter(0);
    this.#ring.add(PollRemove, -1, number, 0, 0, 0, 0, 0, IGNORED);
  }
}
