import { fitText } from "./text-width.ts";

/** Redraws are at least this far apart, milliseconds. */
const INTERVAL_MS = 100;
/** A line that shows a time is redrawn even if its command has nothing new, milliseconds. */
const REFRESH_MS = 1000;
/** For terminals that do not know their width. */
const USUAL_COLUMNS = 80;

/**
 * The cursor rests in the first column, so a terminal that wraps the line when it becomes narrower
 * leaves the cursor in the first of the wrapped rows: erasing from there to the end of the screen
 * removes all of them.
 */
const ERASE = "\r\u001b[J";

/** What the line needs of a stream. */
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

  /** Erases the line, for other output or for good. Idempotent. */
  clear(): void {
    if (this.#line === undefined) return;
    this.#line = undefined;
    clearTimeout(this.#next);
    this.#next = undefined;
    this.#terminal.off("resize", this.#onResize);
    if (this.#isDrawn) this.#terminal.write(ERASE);
    this.#isDrawn = false;
    this.#isDue = false;
  }

  #draw(): void {
    if (this.#line === undefined) return;
    const { columns = 0 } = this.#terminal;
    // A full row would have some terminals begin the next one.
    const most = (columns > 0 ? columns : USUAL_COLUMNS) - 1;
    this.#terminal.write(`${ERASE}${fitText(this.#line(), most)}\r`);
    this.#isDrawn = true;
    this.#isDue = false;
    this.#drawnAt = performance.now();
    this.#schedule(REFRESH_MS);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.#draw(), ms).unref();
  }
}
