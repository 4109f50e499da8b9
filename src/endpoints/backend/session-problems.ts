import { asError, MemoryAccessError, ProtocolError, StateError } from "../../core/base/index.ts";
import type { QueueFault } from "../../core/virtqueue/index.ts";
import type { SessionHistory } from "./session-history.ts";
import type { SessionOptions } from "./session-options.ts";

/** Problems that a session reports, but for the one that ends it. */
const MAX_PROBLEMS = 1000;
/** The fault of a driver whose buffers are outside of shared memory. */
const UNREACHABLE = "a buffer outside";

/**
 * Passes the problems of a session to `onProblem`. A peer can cause any number of them, and each may
 * become a line of a log, so only the first thousand that do not end the session are passed on.
 */
export class SessionProblems {
  readonly #options: Pick<SessionOptions, "onProblem" | "strictness">;
  readonly #history: SessionHistory;
  #count = 0;
  /** Faults of the front-end or its driver that were reported: each is served from then on. */
  readonly #tolerated = new Set<string>();

  constructor(options: Pick<SessionOptions, "onProblem" | "strictness">, history: SessionHistory) {
    this.#options = options;
    this.#history = history;
  }

  /** Reports a problem that ends the session only if `ends` is true. */
  report(problem: unknown, ends = false): void {
    const { onProblem } = this.#options;
    this.#count += 1;
    if (ends || this.#count <= MAX_PROBLEMS) onProblem?.(asError(problem), ends);
    if (this.#count === MAX_PROBLEMS) {
      const text = `${MAX_PROBLEMS} problems were reported; further ones of this session are not`;
      onProblem?.(new StateError(text), false);
    }
  }

  /** The request that is being served is refused by a reply of its own, not by its acknowledgement. */
  refuse(problem: unknown): void {
    this.#history.refusal = asError(problem);
    this.report(problem);
  }

  /**
   * The front-end or its driver breaks a rule in a way that cannot be misunderstood. Lenient: reports
   * that once a session. Strict: false, and the caller refuses it. There is a fixed set of faults.
   */
  tolerates(fault: string): boolean {
    const isStrict = this.#options.strictness === "strict";
    if (this.#tolerated.has(fault)) return !isStrict;
    if (isStrict) this.refuse(new ProtocolError(fault));
    else this.report(new ProtocolError(`${fault}; served all the same`));
    this.#tolerated.add(fault);
    return !isStrict;
  }

  /** Returns whether a driver that uses a feature without having acknowledged it is served. */
  toleratesFeature(feature: string): boolean {
    return this.tolerates(`the driver uses ${feature}, which it did not acknowledge`);
  }

  /** Reported once a session: a guest whose memory is not shared has nothing else in its rings. */
  unreachable(ring: number, { reason, section }: QueueFault): void {
    if (this.#tolerated.has(UNREACHABLE)) return;
    this.#tolerated.add(UNREACHABLE);
    this.report(
      new MemoryAccessError(`ring ${ring}: a request fails: ${reason} (VIRTIO ${section})`),
    );
  }
}
