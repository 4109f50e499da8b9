import { counted, QueueError, u16Distance } from "../../base/index.ts";
import type { InflightArea } from "../../memory/index.ts";
import { expectVersion, InflightHeader, type InflightOrigin } from "./inflight-header.ts";

const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
/** Positions of the header's half words, counted from its beginning. */
const LAST_BATCH_HEAD = 6;
const USED_IDX = 7;

/**
 * Records the requests that a split ring has in flight ("Inflight I/O tracking", split virtqueue).
 *
 * | part | contents |
 * | --- | --- |
 * | header | 0:8 features, 8:2 version, 10:2 desc_num, 12:2 last_batch_head, 14:2 used_idx |
 * | entry i, at 16 + 16i | 0:1 inflight, 1:5 padding, 6:2 next, 8:8 counter |
 *
 * Ordering. A value that must precede another one is stored by `Atomics`, which no compiler reorders: a
 * counter before its mark, the list of a batch before the used idx that publishes it, the used idx
 * before the marks are cleared. The region is read at the start only, and everything in it is
 * checked: later this object relies on its own copies.
 */
export class SplitInflight {
  /** Heads of the chains to resubmit, in the order in which they were taken. */
  readonly resubmit: Uint16Array;
  readonly area: InflightArea;
  /** True if the region has no earlier record: the ring begins at its base. */
  readonly fresh: boolean;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #words: Uint32Array;
  /** Heads of chains that completed and were not published yet. */
  readonly #batch: Uint16Array;
  #batchSize = 0;
  #lastBatchHead = 0;
  readonly #counter: InflightHeader;

  /**
   * @param size size of the ring
   * @param usedIdx used idx of the ring
   * @param availableIdx available idx of the ring
   * @throws {QueueError} the region does not belong to this ring, or is inconsistent
   */
  constructor(area: InflightArea, size: number, usedIdx: number, availableIdx: number) {
    const { view, entries } = area;
    const { buffer } = view.window.bytes;
    this.area = area;
    this.#bytes = new Uint8Array(buffer, view.offset, HEADER_BYTES + ENTRY_BYTES * entries);
    this.#halves = new Uint16Array(buffer, view.offset, this.#bytes.length / 2);
    this.#words = new Uint32Array(buffer, view.offset, this.#bytes.length / 4);
    this.#batch = new Uint16Array(size);
    this.#counter = new InflightHeader(this.#words);
    this.fresh = expectVersion(this.#halves, entries, size) === "fresh";
    if (this.fresh) {
      this.#bytes.fill(0);
      this.#halves[USED_IDX] = usedIdx;
      this.#counter.begin(this.#halves, entries);
      this.resubmit = new Uint16Array(0);
      return;
    }
    this.#finishLastBatch(usedIdx, entries);
    this.resubmit = this.#marked(size, u16Distance(availableIdx, usedIdx));
  }

  /** Records that a chain was taken. */
  taken(head: number): void {
    this.#counter.stamp((HEADER_BYTES + ENTRY_BYTES * head) / 4 + 2);
    Atomics.store(this.#bytes, HEADER_BYTES + ENTRY_BYTES * head, 1);
  }

  /** Records that a chain completed, which the driver does not see yet. */
  completed(head: number): void {
    // A driver that makes a head available twice can complete more than the ring has places.
    if (this.#batchSize === this.#batch.length || head >= this.area.entries) return;
    this.#halves[(HEADER_BYTES + ENTRY_BYTES * head) / 2 + 3] = this.#lastBatchHead;
    Atomics.store(this.#halves, LAST_BATCH_HEAD, head);
    this.#lastBatchHead = head;
    this.#batch[this.#batchSize] = head;
    this.#batchSize += 1;
  }

  /** Records that all completed chains were published by this used idx. */
  published(usedIdx: number): void {
    for (let i = 0; i < this.#batchSize; i += 1) {
      Atomics.store(this.#bytes, HEADER_BYTES + ENTRY_BYTES * (this.#batch[i] ?? 0), 0);
    }
    this.#batchSize = 0;
    Atomics.store(this.#halves, USED_IDX, usedIdx);
  }

  /** Clears marks that a crash left on completions which were already published. */
  #finishLastBatch(usedIdx: number, entries: number): void {
    const published = Math.min(u16Distance(usedIdx, this.#halves[USED_IDX] ?? 0), entries);
    let head = this.#halves[LAST_BATCH_HEAD] ?? 0;
    this.#lastBatchHead = head;
    for (let i = 0; i < published; i += 1) {
      if (head >= entries) {
        throw new QueueError(
          `in-flight region: expected the last batch to name descriptors below ${entries}, got ${head}`,
        );
      }
      Atomics.store(this.#bytes, HEADER_BYTES + ENTRY_BYTES * head, 0);
      head = this.#halves[(HEADER_BYTES + ENTRY_BYTES * head) / 2 + 3] ?? 0;
    }
    Atomics.store(this.#halves, USED_IDX, usedIdx);
  }

  /** @param waiting chains that the driver made available and that the used idx does not cover */
  #marked(size: number, waiting: number): Uint16Array {
    const found: InflightOrigin[] = [];
    for (let head = 0; head < this.area.entries; head += 1) {
      if (this.#bytes[HEADER_BYTES + ENTRY_BYTES * head] !== 1) continue;
      if (head >= size) {
        throw new QueueError(
          `in-flight region: expected chains in flight with heads below ${size}, got ${head}`,
        );
      }
      found.push(this.#counter.originOf(head, (HEADER_BYTES + ENTRY_BYTES * head) / 4 + 2));
    }
    if (found.length > waiting) {
      throw new QueueError(
        `in-flight region: expected at most ${counted(waiting, "chain")} in flight, as many as the driver waits for, ` +
          `got ${found.length}: it is not the region of this ring`,
      );
    }
    return this.#counter.inOrder(found);
  }
}
