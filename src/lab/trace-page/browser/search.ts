import type { Chunk } from "./chunk.ts";
import { pause } from "./pause.ts";
import type { Rows } from "./rows.ts";

/** Milliseconds between two reports: each draws the list. */
const REPORT_MS = 100;
/** Rows that are listed; further ones are not searched for. */
const MAX_FOUND = 1_000_000;

/** The rows that have been found. */
export class Found {
  length = 0;
  /** True once the whole trace was searched. */
  isDone = false;
  #rows = new Uint32Array(1024);

  add(row: number): void {
    if (this.length === this.#rows.length) {
      const larger = new Uint32Array(2 * this.length);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows[this.length++] = row;
  }

  at(position: number): number {
    return this.#rows[position] ?? 0;
  }
}

/** Searches chunk by chunk, so that the page stays responsive. */
export async function search(
  rows: Rows,
  words: string,
  failedOnly: boolean,
  report: (found: Found) => boolean,
): Promise<void> {
  const found = new Found();
  const wanted = words.toLowerCase();
  let reported = performance.now();
  for (const [index, { failures }] of rows.head.chunks.entries()) {
    if (failedOnly && failures === 0) continue;
    searchChunk(await rows.chunk(index), wanted, failedOnly, found);
    if (found.length >= MAX_FOUND) break;
    await pause();
    if (performance.now() - reported < REPORT_MS) continue;
    reported = performance.now();
    if (!report(found)) return;
  }
  found.isDone = true;
  report(found);
}

function searchChunk(chunk: Chunk, wanted: string, failedOnly: boolean, found: Found): void {
  const mayHave = chunk.templatesWith(wanted);
  for (let i = 0; i < chunk.rows; i += 1) {
    if (failedOnly && !chunk.failed(i)) continue;
    const may = mayHave[chunk.template(i)];
    if (may === false) continue;
    if (may === true || chunk.text(i).toLowerCase().includes(wanted)) found.add(chunk.first + i);
  }
}
