import type { ChainCursor } from "../../core/virtqueue/index.ts";

/** One buffer of a chain, copied out of the cursor, which is reused. */
interface Part {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** The bytes of one block request, wherever the driver laid them. */
export class RequestBytes {
  /** `VIRTIO_BLK_T_…` */
  readonly type: number;
  readonly #readable: Part[] = [];
  readonly #writable: Part[] = [];

  constructor({ spans, readableSpans }: ChainCursor) {
    for (let i = 0; i < spans.count; i += 1) {
      const bytes = spans.windows[i]?.bytes ?? new Uint8Array(0);
      const part = { bytes, offset: spans.offsets[i] ?? 0, length: spans.lengths[i] ?? 0 };
      (i < readableSpans ? this.#readable : this.#writable).push(part);
    }
    this.type = at(this.#readable, 0)?.get() ?? -1;
  }

  get status(): number {
    return this.#status()?.get() ?? 0;
  }

  set status(value: number) {
    this.#status()?.set(value);
  }

  /** Flips a bit of the first byte that the device wrote, unless that is the status. */
  spoilRead(): void {
    if (total(this.#writable) > 1) flip(at(this.#writable, 0));
  }

  /** Flips a bit of the first byte of data that the device is to take; again: flips it back. */
  spoilWrite(): void {
    flip(at(this.#readable, 16));
  }

  #status(): Cell | undefined {
    return at(this.#writable, total(this.#writable) - 1);
  }
}

interface Cell {
  get(): number;
  set(value: number): void;
}

function total(parts: readonly Part[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function at(parts: readonly Part[], position: number): Cell | undefined {
  for (const { bytes, offset, length } of parts) {
    if (position < length) {
      const index = offset + position;
      return {
        get: () => bytes[index] ?? 0,
        set: (value) => {
          bytes[index] = value;
        },
      };
    }
    position -= length;
  }
  return undefined;
}

function flip(cell: Cell | undefined): void {
  cell?.set(cell.get() ^ 1);
}
