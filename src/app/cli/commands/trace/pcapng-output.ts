import { closeSync, openSync } from "node:fs";
import type { TraceConsumer } from "../../../../lab/trace/index.ts";
import { PcapngWriter } from "../../../../lab/wireshark/index.ts";
import { makeUserFile } from "../../files.ts";
import { LineWriter } from "./line-writer.ts";
import { CAPTURE_MODE, STDOUT } from "./modes.ts";

/** The destination of a trace as pcapng: a file, or `-` for stdout. */
export interface PcapngOutputOptions {
  readonly path: string;
  readonly force: boolean;
  /** Milliseconds since 1970 when the trace began. Default: now. */
  readonly startedMs?: number | undefined;
}

/** Writes a trace as pcapng to a file or a pipe. */
export class PcapngOutput {
  readonly consumer: TraceConsumer;
  readonly #path: string;
  readonly #fd: number;
  readonly #writer: LineWriter;
  readonly #pcapng: PcapngWriter;

  /** @throws {UsageError | EnvironmentError} the file cannot be made */
  constructor({ path, force, startedMs }: PcapngOutputOptions) {
    this.#path = path;
    this.#fd =
      path === "-"
        ? STDOUT
        : makeUserFile(path, force, (flag) => openSync(path, flag, CAPTURE_MODE));
    this.#writer = new LineWriter(this.#fd);
    this.#pcapng = new PcapngWriter({ write: (block) => this.#writer.bytes(block), startedMs });
    this.consumer = this.#pcapng;
  }

  /** Packets that were dropped because the file or pipe did not take them in time. */
  get lost(): number {
    return this.#pcapng.lost;
  }

  /** Resolves once there is room for more; false once the reader has left. */
  async room(): Promise<boolean> {
    await this.#writer.room();
    return this.#writer.failure === undefined;
  }

  /**
   * Writes the end.
   *
   * @throws the file could not be written; not when a reader of a pipe has left
   */
  async close(): Promise<void> {
    this.#pcapng.end();
    await this.#writer.flush();
    if (this.#fd !== STDOUT) closeSync(this.#fd);
    const { failure } = this.#writer;
    if (failure === undefined || failure.code === "EPIPE") return;
    throw Object.assign(failure, {
      message: `${this.#path} could not be written: ${failure.message}`,
    });
  }
}
