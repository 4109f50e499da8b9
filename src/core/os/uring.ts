import { addon } from "./addon.ts";
import { Mapping } from "./mapping.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno, systemError } from "./system-error.ts";

/** Byte offset at which the submission entries are mapped (`IORING_OFF_SQES`). */
const ENTRIES_OFFSET = 0x1000_0000;
const SUBMISSION_WORDS = 16;
const COMPLETION_WORDS = 4;
const GET_EVENTS = 1;
/** SUBMIT_ALL, SINGLE_ISSUER, DEFER_TASKRUN (Linux 6.1): completions arrive in {@link Uring.enter} only. */
const DEFERRED = (1 << 7) | (1 << 12) | (1 << 13);
/** SINGLE_MMAP, NODROP, SUBMIT_STABLE, EXT_ARG (Linux 5.11). */
const NEEDED = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 8);

export interface UringOptions {
  /** Entries of the submission ring, rounded up to a power of two. */
  readonly entries: number;
  /** Entries of the completion ring; at least the number of requests in flight. */
  readonly completions: number;
  /**
   * Defers completions to {@link Uring.enter} where the kernel can, which costs least for a thread
   * that waits there. Without it the descriptor of the ring becomes readable with each completion.
   */
  readonly deferred: boolean;
}

/**
 * An io_uring: requests to the kernel that it carries out in the background. Submission and
 * completion ring are typed arrays; one system call submits and waits.
 *
 * Memory that a request names must stay mapped until its completion was seen: the kernel writes to
 * its addresses, whatever is mapped there by then. Closing the ring does not end requests. All calls
 * belong to the thread that created the ring.
 */
export class Uring {
  readonly descriptor: OwnedFd;
  /** The completion that {@link next} found: the number given to {@link add}, */
  userData = 0;
  /** its result, or `-errno`. */
  result = 0;
  readonly #ring: Mapping;
  readonly #entries: Mapping;
  readonly #words: Uint32Array;
  readonly #submissions: Uint32Array;
  readonly #submissionMask: number;
  readonly #completionMask: number;
  /** Word indices in {@link #words}. */
  readonly #head: number;
  readonly #tail: number;
  readonly #completionHead: number;
  readonly #completionTail: number;
  readonly #completions: number;
  #added: number;
  #taken: number;

  private constructor(fd: OwnedFd, ring: Mapping, entries: Mapping, layout: Int32Array) {
    const at = (index: number): number => layout[index] ?? 0;
    this.descriptor = fd;
    this.#ring = ring;
    this.#entries = entries;
    this.#words = new Uint32Array(ring.buffer, 0, Math.floor(ring.buffer.byteLength / 4));
    this.#submissions = new Uint32Array(entries.buffer);
    this.#submissionMask = at(1) - 1;
    this.#completionMask = at(2) - 1;
    this.#head = at(3) / 4;
    this.#tail = at(4) / 4;
    this.#completionHead = at(6) / 4;
    this.#completionTail = at(7) / 4;
    this.#completions = at(8) / 4;
    for (let i = 0; i < at(1); i += 1) this.#words[at(5) / 4 + i] = i;
    this.#added = this.#words[this.#tail] ?? 0;
    this.#taken = this.#words[this.#completionHead] ?? 0;
  }

  /**
   * @throws {SystemError} `ENOSYS`: the kernel is older than Linux 5.11, or was built without
   *   io_uring; `EPERM`: forbidden by `kernel.io_uring_disabled` or a seccomp filter; `ENOMEM`,
   *   `EMFILE`
   */
  static create({ entries, completions, deferred }: UringOptions): Uring {
    const layout = new Int32Array(9);
    const calls = addon();
    let fd = calls.uringSetup(entries, completions, deferred ? DEFERRED : 0, layout);
    if (deferred && fd === -Errno.EINVAL) fd = calls.uringSetup(entries, completions, 0, layout);
    const descriptor = new OwnedFd(check(fd, "io_uring_setup"));
    const [features = 0, submissions = 0, completed = 0, , , array = 0, , , at = 0] = layout;
    let ring: Mapping | undefined;
    try {
      if ((features & NEEDED) !== NEEDED) throw systemError(-Errno.ENOSYS, "io_uring_setup");
      const length = Math.max(array + submissions * 4, at + completed * COMPLETION_WORDS * 4);
      ring = Mapping.map(fd, { offset: 0, length, writable: true });
      const bytes = submissions * SUBMISSION_WORDS * 4;
      const options = { offset: ENTRIES_OFFSET, length: bytes, writable: true };
      return new Uring(descriptor, ring, Mapping.map(fd, options), layout);
    } catch (error) {
      ring?.unmap();
      descriptor.close();
      throw error;
    }
  }

  /** Number of completions that the ring holds; the kernel keeps further ones until {@link enter}. */
  get capacity(): number {
    return this.#completionMask + 1;
  }

  /** Number of submission entries that can be added before {@link enter} must run. */
  get free(): number {
    return this.#submissionMask + 1 - this.pending;
  }

  /** The index of the submission entry that {@link add} fills next. */
  get entry(): number {
    return this.#added & this.#submissionMask;
  }

  /** Number of entries that were added and that the kernel has not taken. */
  get pending(): number {
    return (this.#added - (this.#words[this.#head] ?? 0)) >>> 0;
  }

  /**
   * Adds a submission entry, which the next {@link enter} submits. Returns false if the ring is full.
   *
   * @param address low and high half of an address, or of what the operation keeps there
   * @param position low and high half of the position in the file
   * @param userData 0 to 2^31 - 1, returned with the completion
   */
  add(
    operation: number,
    fd: number,
    addressLow: number,
    addressHigh: number,
    length: number,
    positionLow: number,
    positionHigh: number,
    flags: number,
    userData: number,
  ): boolean {
    if (this.free === 0) return false;
    const words = this.#submissions;
    const at = (this.#added & this.#submissionMask) * SUBMISSION_WORDS;
    words[at] = operation;
    words[at + 1] = fd;
    words[at + 2] = positionLow;
    words[at + 3] = positionHigh;
    words[at + 4] = addressLow;
    words[at + 5] = addressHigh;
    words[at + 6] = length;
    words[at + 7] = flags;
    words[at + 8] = userData;
    words[at + 9] = 0;
    words[at + 10] = 0;
    words[at + 11] = 0;
    words[at + 12] = 0;
    words[at + 13] = 0;
    this.#added = (this.#added + 1) >>> 0;
    return true;
  }

  /**
   * Submits what was added, and waits for completions.
   *
   * @param complete number of completions to wait for; 0 does not wait
   * @param timeoutUs limit of the wait in microseconds; negative for none
   * It may return earlier, after a signal for example; {@link next} and {@link pending} have the
   * outcome.
   *
   * @throws {SystemError} e.g. `EBADF`, `ENOMEM`
   */
  enter(complete: number, timeoutUs = -1): void {
    Atomics.store(this.#words, this.#tail, this.#added);
    const { fd } = this.descriptor;
    const result = addon().uringEnter(fd, this.pending, complete, GET_EVENTS, timeoutUs);
    if (result >= 0 || result === -Errno.EINTR || result === -Errno.ETIME) return;
    // Completions must be taken first. What was added stays in the ring.
    if (result === -Errno.EAGAIN || result === -Errno.EBUSY) return;
    throw systemError(result, "io_uring_enter");
  }

  /** Takes the next completion: sets {@link userData} and {@link result}. Returns false if there is none. */
  next(): boolean {
    const words = this.#words;
    if (Atomics.load(words, this.#completionTail) === this.#taken) return false;
    const at = this.#completions + (this.#taken & this.#completionMask) * COMPLETION_WORDS;
    this.userData = words[at] ?? 0;
    this.result = (words[at + 2] ?? 0) | 0;
    this.#taken = (this.#taken + 1) >>> 0;
    Atomics.store(words, this.#completionHead, this.#taken);
    return true;
  }

  /** Releases the ring. No request may be in flight. Idempotent. */
  close(): void {
    this.#ring.unmap();
    this.#entries.unmap();
    this.descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
