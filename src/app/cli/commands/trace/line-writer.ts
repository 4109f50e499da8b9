import { systemCode, asError } from "../../../../core/base/index.ts";
import { write } from "node:fs";
import { promisify } from "node:util";

const writeSome = promisify(write);

/** Bytes that wait; further lines are dropped and counted. */
const MAX_WAITING = 16 << 20;

const ENOUGH_WAITING = 1 << 20;
/** Milliseconds that a line may wait for further ones. */
const GATHER_MS = 10;

/**
 * Writes lines to a descriptor from Node's thread pool: a terminal or a pipe that is not read must not
 * hold up the conversation, as `process.stdout` would, which blocks.
 */
export class LineWriter {
  readonly #fd: number;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;
  #lost = 0;
  #count = 0;
  #failure: NodeJS.ErrnoException | undefined;

  /** @param fd stays the caller's */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Lines that were taken. */
  get count(): number {
    return this.#count;
  }

  /** Lines that were dropped. */
  get lost(): number {
    return this.#lost;
  }

  /** The error after which no more lines are written, for example `EPIPE`. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  /** Writes a line soon, or drops it. */
  line(text: string): void {
    this.bytes(Buffer.from(`${text}\n`));
  }

  /** Writes bytes that belong together soon, or drops them and returns false. */
  bytes(bytes: Uint8Array): boolean {
    if (this.#failure !== undefined || this.#bytes > MAX_WAITING) {
      this.#lost += 1;
      return false;
    }
    this.#count += 1;
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    this.#writing ??= this.#write();
    return true;
  }

  /** Resolves once there is room for more, for those who can wait. */
  async room(): Promise<void> {
    if (this.#bytes > ENOUGH_WAITING) await this.flush();
  }

  /** Resolves once every line is written, or cannot be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #write(): Promise<void> {
    // A write wakes a thread, which competes with the peers for a processor: lines are gathered.
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    while (this.#waiting.length > 0 && this.#failure === undefined) {
      const bytes = Buffer.concat(this.#waiting);
      this.#waiting = [];
      await this.#writeAll(bytes);
      this.#bytes = this.#waiting.reduce((sum, { length }) => sum + length, 0);
    }
    this.#writing = undefined;
  }

  async #writeAll(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      try {
        at += (await writeSome(this.#fd, bytes, at, bytes.length - at)).bytesWritten;
      } catch (error) {
        // A terminal or pipe that another program made non-blocking.
        if (systemCode(error) === "EAGAIN") {
          await new Promise((resolve) => setTimeout(resolve, 1));
          continue;
        }
        this.#failure = asError(error);
        return;
      }
    }
  }
}
