import type { ChainCursor } from "../../../../../src/core/virtqueue/index.ts";
import { type Base, type Mutant, throughQueue, type World } from "./mutant.ts";

/** A chain as a mutant's device got it; the bytes are those of the shared memory. */
export class SeenRequest {
  readonly readable: readonly Uint8Array[];
  readonly writable: readonly Uint8Array[];

  constructor({ spans, readableSpans }: ChainCursor) {
    const segments = Array.from({ length: spans.count }, (_, i) => {
      const from = spans.offsets[i] ?? 0;
      return spans.windows[i]?.bytes.subarray(from, from + (spans.lengths[i] ?? 0));
    });
    this.readable = segments.slice(0, readableSpans).flatMap((segment) => segment ?? []);
    this.writable = segments.slice(readableSpans).flatMap((segment) => segment ?? []);
  }

  /** Of a block request. */
  get type(): number {
    return this.#header.getUint32(0, true);
  }

  /** Of a block request. */
  get sector(): bigint {
    return this.#header.getBigUint64(8, true);
  }

  get status(): number {
    return this.writable.at(-1)?.at(-1) ?? -1;
  }

  set status(value: number) {
    const last = this.writable.at(-1);
    if (last !== undefined) last[last.length - 1] = value;
  }

  get #header(): DataView {
    const header = new Uint8Array(16);
    header.set(this.readable[0]?.subarray(0, 16) ?? []);
    return new DataView(header.buffer);
  }
}

/** What is done to requests; left out: nothing. */
export interface Meddling {
  /** Before the device serves it. */
  readonly arrives?: (request: SeenRequest, world: World, queue: number) => void;
  /** Before the driver knows. @returns bytes that are said to be written */
  readonly served?: (request: SeenRequest, written: number) => number | void;
}

/** A mutant that meddles with requests. */
export function meddles(summary: string, meddling: Meddling, base: Base = "block"): Mutant {
  return throughQueue(
    summary,
    (queue, world) => {
      const seen = new Map<number, SeenRequest>();
      return {
        next(cursor) {
          if (!queue.next(cursor)) return false;
          const request = new SeenRequest(cursor);
          seen.set(cursor.id, request);
          meddling.arrives?.(request, world, queue.size);
          return true;
        },
        complete(id, written) {
          const request = seen.get(id);
          queue.complete(id, (request && meddling.served?.(request, written)) ?? written);
        },
      };
    },
    base,
  );
}
