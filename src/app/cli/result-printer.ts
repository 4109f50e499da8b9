import type { CaseResult, FailOn, ResultText } from "../../lab/results/index.ts";
import type { CommonOptions, Context } from "./context.ts";
import { verdictStyle } from "./verdict-style.ts";

/** Options of every command that prints the results of checks or tests. */
export interface PrinterOptions extends CommonOptions {
  readonly json?: true | undefined;
  readonly failOn?: FailOn | undefined;
}

/**
 * Prints the results of checks and tests, one meaning of `-q` and `-v` for all commands that have
 * them: without either, each result with what decided it; with `-q`, one line for each failure; with
 * `-v`, all that was observed.
 */
export class ResultPrinter {
  readonly #text: ResultText;
  readonly #options: PrinterOptions;
  readonly #output: Context["output"];
  /** Lists of features that were printed. */
  readonly #spelled = new Set<string>();

  constructor(text: ResultText, options: PrinterOptions, { output }: Pick<Context, "output">) {
    this.#text = text;
    this.#options = options;
    this.#output = output;
  }

  /** Prints a line that `-q` leaves out. */
  say(line: string): void {
    if (!this.#options.quiet) this.#print(line);
  }

  /** Prints a result; nothing with `-q`. */
  result(result: CaseResult): void {
    const { verbose } = this.#options;
    const mark = verdictStyle(this.#output);
    for (const line of this.#text.lines(result, { mark, verbose, spelled: this.#spelled }))
      this.say(line);
  }

  /** Prints one line for each result that fails the run, also with `-q`. */
  failures(results: readonly CaseResult[]): void {
    const mark = verdictStyle(this.#output);
    for (const line of this.#text.failures(results, this.#options.failOn, mark)) this.#print(line);
  }

  /** Prints a line; with --json to standard error, as standard output is for the document only. */
  #print(line: string): void {
    if (this.#options.json) this.#output.note(line);
    else this.#output.print(line);
  }
}
