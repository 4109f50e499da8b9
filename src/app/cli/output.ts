import { styleText } from "node:util";
import { ProgressLine } from "./progress-line.ts";

type Style = Parameters<typeof styleText>[0];

/** The destination and verbosity of a command's output. */
export interface OutputOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly quiet: boolean;
}

/** The formats of messages: text, or one JSON object per line. */
export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** The first fields of every JSON document: its kind names the schema in docs/reference/schemas. */
export interface JsonDocument {
  readonly schemaVersion: 1;
  readonly kind: string;
}

/** The level of a message. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Results go to stdout; what only a person wants to see goes to stderr. */
export class Output {
  readonly #options: OutputOptions;
  readonly #progress: ProgressLine;
  /** The format of messages. It does not affect results. */
  logFormat: LogFormat = "text";
  /** True if such lines of text begin with the time, as those of QEMU's `-msg timestamp=on` do. */
  timed = false;
  /** Text before every progress line, e.g. which of several runs it belongs to. */
  progressPrefix = "";

  constructor(options: OutputOptions) {
    this.#options = options;
    const { stderr, quiet } = options;
    this.#progress = new ProgressLine(stderr, { quiet, term: process.env["TERM"] });
  }

  /** A line of the result. */
  print(line: string): void {
    this.#progress.clear();
    this.#options.stdout.write(`${line}\n`);
  }

  /** The result as one JSON document. */
  json<T extends JsonDocument>(document: T): void {
    this.print(JSON.stringify(document, jsonReplacer, 2));
  }

  /** Raw bytes of the result. */
  bytes(bytes: Uint8Array): void {
    this.#progress.clear();
    this.#options.stdout.write(bytes);
  }

  /**
   * Writes one part of a long result and waits until it is flushed. Resolves to false when the reader
   * has closed the stream.
   */
  async stream(bytes: Uint8Array): Promise<boolean> {
    this.#progress.clear();
    return new Promise((resolve, reject) => {
      this.#options.stdout.write(bytes, (error: NodeJS.ErrnoException | null | undefined) => {
        if (!error) resolve(true);
        else if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") resolve(false);
        else reject(error);
      });
    });
  }

  /** Prints a message; silent with --quiet. */
  note(line: string): void {
    if (!this.#options.quiet) this.#log("info", line);
  }

  /** Like {@link note}, of something that went wrong although the command goes on. */
  warn(line: string): void {
    if (!this.#options.quiet) this.#log("warning", line);
  }

  /** A line that was asked for with -v. */
  trace(line: string): void {
    this.#log("debug", line);
  }

  /** Prints an error, even with --quiet. */
  error(line: string): void {
    this.#log("error", line);
  }

  #log(level: LogLevel, message: string): void {
    this.#progress.clear();
    const time = new Date().toISOString();
    const text = this.timed ? `${time} ${message}` : message;
    const line = this.logFormat === "text" ? text : JSON.stringify({ time, level, message });
    this.#options.stderr.write(`${line}\n`);
  }

  /** One line that the next one replaces; on a terminal only. See {@link ProgressLine}. */
  progress(line: () => string): void {
    if (this.logFormat !== "text") return;
    const prefix = this.progressPrefix;
    this.#progress.show(() => `${prefix}${line()}`);
  }

  /** Erases the progress line: the command ends, or another program is about to print. */
  clearProgress(): void {
    this.#progress.clear();
  }

  /** Colours follow the terminal, NO_COLOR and FORCE_COLOR. */
  style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#options.stdout });
  }

  get stdoutIsTerminal(): boolean {
    return this.#options.stdout.isTTY;
  }
}

/** 64-bit numbers as numbers where that is exact, else as text. */
function jsonReplacer(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}
