import { type PageHead, type PageLane, RowKind } from "../head.ts";
import { Chunk } from "./chunk.ts";

/** Decoded chunks that are kept. */
const MAX_KEPT = 24;

/** A row of the page. */
export interface Row {
  readonly row: number;
  readonly us: number;
  readonly lane: PageLane;
  readonly text: string;
  readonly failed: boolean;
  /** The part of the address that names it: `#m12` for a message. */
  readonly hash: string;
  /** The row of its request, if it is a reply or a used chain. */
  readonly request: number | undefined;
}

/** All rows, decoded where they are needed. */
export class Rows {
  readonly head: PageHead;
  readonly #kept = new Map<number, Promise<Chunk>>();
  readonly #ready = new Map<number, Chunk>();

  constructor(head: PageHead) {
    this.head = head;
  }

  get count(): number {
    return this.head.rows;
  }

  /** Returns the number of the chunk that has a row. */
  chunkOf(row: number): number {
    const { chunks } = this.head;
    let [low, high] = [0, chunks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((chunks[middle]?.row ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Decodes a chunk. */
  async chunk(index: number): Promise<Chunk> {
    const known = this.#kept.get(index);
    if (known !== undefined) {
      this.#kept.delete(index);
      this.#kept.set(index, known);
      return known;
    }
    const chunk = this.#decode(index);
    this.#kept.set(index, chunk);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) {
      this.#kept.delete(oldest);
      this.#ready.delete(oldest);
    }
    this.#ready.set(index, await chunk);
    return chunk;
  }

  /** Returns a row if its chunk is decoded. */
  peek(row: number): Row | undefined {
    const chunk = this.#ready.get(this.chunkOf(row));
    return chunk && this.#row(chunk, row);
  }

  async row(row: number): Promise<Row> {
    return this.#row(await this.chunk(this.chunkOf(row)), row);
  }

  /** Finds the row that the address names; undefined if there is none. */
  async find(hash: string): Promise<number | undefined> {
    const [, session = "0", kind, digits] = /^#(?:s(\d+))?([mr])(\d+)$/.exec(hash) ?? [];
    const number = Number(digits);
    if (kind === "r") return number < this.count ? number : undefined;
    if (kind !== "m") return undefined;
    for (const [index, { messages }] of this.head.chunks.entries()) {
      const range = messages.find(([each]) => each === Number(session));
      if (range === undefined || number < range[1] || number > range[2]) continue;
      const chunk = await this.chunk(index);
      const at = chunk.numbers.findIndex(
        (each, i) => each === number && this.#session(chunk, i) === Number(session),
      );
      if (at >= 0) return chunk.first + at;
    }
    return undefined;
  }

  /** Finds the first row at a time or behind it. */
  async rowAt(us: number): Promise<number> {
    const index = this.head.chunks.findIndex(({ lastUs }) => lastUs >= us);
    if (index < 0) return Math.max(0, this.count - 1);
    const chunk = await this.chunk(index);
    const at = chunk.us.findIndex((each) => each >= us);
    return chunk.first + Math.max(0, at);
  }

  #session(chunk: Chunk, i: number): number {
    return this.head.lanes[chunk.lanes[i] ?? 0]?.session ?? 0;
  }

  #row(chunk: Chunk, row: number): Row {
    const i = row - chunk.first;
    const lane = this.head.lanes[chunk.lanes[i] ?? 0] ?? { session: 0, name: "" };
    const number = chunk.numbers[i] ?? 0;
    const session = lane.session === 0 ? "" : `s${lane.session}`;
    const back = chunk.values[i] ?? 0;
    return {
      row,
      us: chunk.us[i] ?? 0,
      lane,
      text: chunk.text(i),
      failed: chunk.failed(i),
      hash: number > 0 ? `#${session}m${number}` : `#r${row}`,
      request: back > 0 && REQUESTED.has(chunk.kind(i)) ? row - back : undefined,
    };
  }

  async #decode(index: number): Promise<Chunk> {
    const text = (await elementOf(index)).textContent;
    const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const { row = 0 } = this.head.chunks[index] ?? {};
    const end = this.head.chunks[index + 1]?.row ?? this.count;
    return new Chunk(bytes, row, end - row);
  }
}

/** Kinds whose value leads to a request. */
const REQUESTED: ReadonlySet<number> = new Set([RowKind.Message, RowKind.Used]);

/** The script runs behind the first chunk, while the browser still reads the rest. */
async function elementOf(index: number): Promise<HTMLElement> {
  for (;;) {
    const element = document.getElementById(`c${index}`);
    // A chunk is whole once something follows it.
    if (element !== null && (index === 0 || element.nextElementSibling !== null)) return element;
    if (document.readyState !== "loading" && element !== null) return element;
    await new Promise((resolve) => {
      document.addEventListener("DOMContentLoaded", resolve, { once: true });
      setTimeout(resolve, 50);
    });
  }
}
