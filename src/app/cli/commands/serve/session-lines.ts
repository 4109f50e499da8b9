import type { BackendRetry } from "../../../../endpoints/backend/index.ts";
import type { Output } from "../../output.ts";

/** A session that lasts so long is worth its lines, milliseconds. */
const LASTING_MS = 2000;
/** Short sessions in a row from which on they get no lines. */
const TOLERATED = 3;

/** Lines of one session that are kept until it has lasted. */
const MAX_HELD = 100;

interface Line {
  readonly isWarning: boolean;
  readonly text: string;
}

/**
 * Lines about sessions. With a front-end that leaves at once, again and again, those of the first few
 * are printed, then one that says so, then only those of sessions that last.
 */
export class SessionLines {
  readonly #output: Pick<Output, "note" | "warn">;
  #failures = 0;
  #held: Line[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Pick<Output, "note" | "warn">) {
    this.#output = output;
  }

  note(text: string): void {
    this.#add({ isWarning: false, text });
  }

  warn(text: string): void {
    this.#add({ isWarning: true, text });
  }

  /** Another attempt is due: what was held back of the session before is dropped. */
  retry({ failures }: BackendRetry): void {
    this.#drop();
    this.#failures = failures;
    if (failures !== TOLERATED) return;
    this.#output.warn(
      `the front-end was lost or not found ${failures} times in a row; trying again with longer pauses, ` +
        "without a line for each",
    );
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#drop();
  }

  #add(line: Line): void {
    if (this.#failures < TOLERATED) {
      this.#print(line);
      return;
    }
    if (this.#held.length < MAX_HELD) this.#held.push(line);
    this.#timer ??= setTimeout(() => this.#release(), LASTING_MS);
  }

  #release(): void {
    const held = this.#held;
    this.#drop();
    this.#failures = 0;
    for (const line of held) this.#print(line);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = [];
  }

  #print({ isWarning, text }: Line): void {
    if (isWarning) this.#output.warn(text);
    else this.#output.note(text);
  }
}
