import { type ChunkHead, FAILED, RowKind } from "../head.ts";
import { NUMBER_MARK } from "../template.ts";

/** Decoded rows of a chunk, by columns. */
export class Chunk {
  readonly head: ChunkHead;
  /** Number of the first row. */
  readonly first: number;
  readonly us: Float64Array;
  readonly lanes: Uint32Array;
  readonly kinds: Uint8Array;
  /** See `value` of the rows that the page was made of. */
  readonly values: Float64Array;
  /** Numbers of messages. */
  readonly numbers: Float64Array;
  readonly #parts: readonly (readonly string[])[];
  readonly #templates: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #texts: number[] = [];
  readonly #bytes: Uint8Array;
  #at = 0;

  /** @param bytes as `ChunkWriter` made them */
  constructor(bytes: Uint8Array<ArrayBuffer>, first: number, rows: number) {
    this.#bytes = bytes;
    this.first = first;
    const size = new DataView(bytes.buffer).getUint32(0, true);
    this.head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size))) as ChunkHead;
    this.#at = 4 + size;
    this.#parts = this.head.templates.map((template) => template.split(NUMBER_MARK));
    this.us = new Float64Array(rows);
    this.lanes = new Uint32Array(rows);
    this.kinds = new Uint8Array(rows);
    this.values = new Float64Array(rows);
    this.numbers = new Float64Array(rows);
    this.#templates = new Uint32Array(rows);
    this.#starts = new Uint32Array(rows);
    this.#decode(rows);
  }

  get rows(): number {
    return this.us.length;
  }

  /** Returns the kind of a row. */
  kind(i: number): number {
    return (this.kinds[i] ?? 0) & (FAILED - 1);
  }

  failed(i: number): boolean {
    return ((this.kinds[i] ?? 0) & FAILED) !== 0;
  }

  /** Returns the number of the template of a row's text. */
  template(i: number): number {
    return this.#templates[i] ?? 0;
  }

  /**
   * Says of each template whether its texts have these words, in lower case; undefined where that
   * depends on their numbers.
   */
  templatesWith(words: string): (boolean | undefined)[] {
    const isDecided = !/\d/.test(words);
    return this.#parts.map((parts) => {
      if (parts.some((part) => part.toLowerCase().includes(words))) return true;
      return isDecided ? false : undefined;
    });
  }

  /** Returns the line of a row. */
  text(i: number): string {
    const parts = this.#parts[this.#templates[i] ?? 0] ?? [];
    const start = this.#starts[i] ?? 0;
    let text = parts[0] ?? "";
    for (let n = 1; n < parts.length; n += 1) {
      text += String(this.#texts[start + n - 1]) + (parts[n] ?? "");
    }
    return text;
  }

  #decode(rows: number): void {
    const before: number[][] = this.#parts.map(() => []);
    let [us, number] = [0, 0];
    for (let i = 0; i < rows; i += 1) {
      us += this.#signed();
      this.us[i] = us;
      this.lanes[i] = this.#unsigned();
      this.kinds[i] = this.#unsigned();
      this.values[i] = this.#unsigned();
      if (this.kind(i) === RowKind.Message) this.numbers[i] = number += this.#signed();
      const template = this.#unsigned();
      this.#templates[i] = template;
      this.#starts[i] = this.#texts.length;
      const last = before[template] ?? [];
      const count = (this.#parts[template]?.length ?? 1) - 1;
      for (let n = 0; n < count; n += 1) {
        last[n] = (last[n] ?? 0) + this.#signed();
        this.#texts.push(last[n] ?? 0);
      }
    }
  }

  #unsigned(): number {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  #signed(): number {
    const value = this.#unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
