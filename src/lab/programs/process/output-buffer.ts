import { stripVTControlCharacters } from "node:util";

/**
 * The last bytes a process printed, bounded. Positions count every byte ever received, so that a
 * reader can ask for "what came after this point" even when older bytes have been dropped.
 */
export class OutputBuffer {
  readonly limitBytes: number;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #position = 0;

  /** @param limitBytes how many of the newest bytes are kept */
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Number of bytes received since the beginning, dropped ones included. */
  get position(): number {
    return this.#position;
  }

  /** Keeps `chunk` (not copied) and drops the oldest bytes beyond the limit. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    this.#position += chunk.length;
    while (this.#heldBytes > this.limitBytes) {
      const oldest = this.#chunks[0];
      if (oldest === undefined) break;
      const surplus = this.#heldBytes - this.limitBytes;
      if (oldest.length <= surplus) {
        this.#chunks.shift();
        this.#heldBytes -= oldest.length;
      } else {
        this.#chunks[0] = oldest.subarray(surplus);
        this.#heldBytes -= surplus;
      }
    }
  }

  /**
   * The kept bytes from `position` on, as UTF-8. A character cut at the front shows as U+FFFD.
   *
   * @param position as read from {@link position} earlier; dropped bytes are left out silently
   */
  text(position = 0): string {
    let skip = Math.max(0, position - (this.#position - this.#heldBytes));
    const wanted: Uint8Array[] = [];
    for (const chunk of this.#chunks) {
      if (skip < chunk.length) wanted.push(skip > 0 ? chunk.subarray(skip) : chunk);
      skip = Math.max(0, skip - chunk.length);
    }
    return Buffer.concat(wanted).toString("utf8");
  }

  /** The last `count` lines that are not empty, without terminal control sequences. */
  lastLines(count: number): string[] {
    return printable(this.text())
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-count);
  }
}

/** Firmware and shells colour and clear what they print; an error message must not do that. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/(?![\n\t])\p{Cc}/gu, "");
}
