import { fitText } from "./text-width.ts";

/** Redraws are at least this far apart, milliseconds. */
const INTERVAL_MS = 100;
/** A line that shows a time is redrawn even if its command has nothing new, milliseconds. */
const REFRESH_MS = 1000;
/** Width of terminals that do not report theirs. */
const USUAL_COLUMNS = 80;

/** The row of the cursor. */
const ERASE_ROW = "\r\u001b[K";
/**
 * Erases all rows of the line after a resize. The cursor is in the first column, so a terminal that
 * becomes narrower and wraps the line leaves it in the first of the wrapped rows: the rows below
 * are erased too. It does not erase from the first row on, as tmux would keep the erased text in
 * its history.
 */
const ERASE_ROWS = "\r\u001b7\u001b[B\u001b[J\u001b8\u001b[K";
/** The terminal cuts what is too wide for it: it may be narrower by now than the last SIGWINCH said. */
const [NO_WRAP, WRAP] = ["\u001b[?7l", "\u001b[?7h"];

/** The part of a stream that the line needs. */
export type ProgressTerminal = Pick<NodeJS.WriteStream, "write" | "on" | "off"> & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/**
 * One line at the bottom of a terminal that is replaced by the next one. It fits the terminal's
 * width, follows a resize, and is erased before anything else is printed. Without a terminal it
 * prints nothing.
 */
export class ProgressLine {
  readonly #terminal: ProgressTerminal;
  readonly #isEnabled: boolean;
  readonly #onResize = (): void => this.#draw();
  #line: (() => string) | undefined;
  #isDrawn = false;
  /** Columns of the terminal when the line was drawn. */
  #columns: number | undefined;
  /** Something new is to be drawn once the interval is over. */
  #isDue = false;
  #drawnAt = -Infinity;
  #next: NodeJS.Timeout | undefined;

  /** @param options `term` is the name of the terminal's type; a "dumb" one cannot erase */
  constructor(
    terminal: ProgressTerminal,
    { quiet, term }: { readonly quiet: boolean; readonly term: string | undefined },
  ) {
    this.#terminal = terminal;
    this.#isEnabled = terminal.isTTY === true && !quiet && term !== "dumb";
  }

  /** Shows a line, now or a moment later; the text is made when it is drawn. */
  show(line: () => string): void {
    if (!this.#isEnabled) return;
    if (this.#line === undefined) this.#terminal.on("resize", this.#onResize);
    this.#line = line;
    if (this.#isDue) return;
    const wait = this.#drawnAt + INTERVAL_MS - performance.now();
    if (wait <= 0) return this.#draw();
    this.#isDue = true;
    this.#schedule(wait);
  }

  /** Erases the line, so that other output can be written or the process can end. Idempotent. */
  clear(): void {
    if (this.#line === undefined) return;
    this.#line = undefined;
    clearTimeout(this.#next);
    this.#next = undefined;
    this.#terminal.off("resize", this.#onResize);
    if (this.#isDrawn) this.#terminal.write(this.#erase());
    this.#isDrawn = false;
    this.#isDue = false;
  }

  #draw(): void {
    if (this.#line === undefined) return;
    const erase = this.#isDrawn ? this.#erase() : ERASE_ROW;
    this.#columns = this.#terminal.columns ?? 0;
    // A full row would have some terminals begin the next one.
    const most = (this.#columns > 0 ? this.#columns : USUAL_COLUMNS) - 1;
    this.#terminal.write(`${erase}${NO_WRAP}${fitText(this.#line(), most)}${WRAP}\r`);
    this.#isDrawn = true;
    this.#isDue = false;
    this.#drawnAt = performance.now();
    this.#schedule(REFRESH_MS);
  }

  #erase(): string {
    return this.#terminal.columns === this.#columns ? ERASE_ROW : ERASE_ROWS;
  }

  #schedule(ms: number): void {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.#draw(), ms).unref();
  }
}
