import type { GuestBuffer } from "../../../src/core/memory/index.ts";
import type { RawPackedRing, RawRing } from "../../../src/core/virtqueue/index.ts";
import { INDIRECT } from "../../../src/lab/conformance/kit/back-end/raw-driver.ts";

export const AVAILABLE: number = 1 << 7;
export const USED: number = 1 << 15;

/** A descriptor as it stands in memory; what makes it available is not in its flags. */
export interface PackedDescriptor {
  readonly address: number | bigint;
  readonly length: number;
  readonly flags?: number;
  readonly id?: number;
}

function encode({ address, length, flags = 0, id = 0 }: PackedDescriptor): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(address), true);
  view.setUint32(8, length, true);
  view.setUint16(12, id, true);
  view.setUint16(14, flags, true);
  return bytes;
}

/** A driver that keeps no rules: it writes the words of a packed ring as it is told. */
export class RawPackedDriver {
  readonly #raw: RawPackedRing;
  #index = 0;
  #wrap = true;

  constructor(raw: RawRing) {
    if (raw.format !== "packed") throw new TypeError("expected a packed ring");
    this.#raw = raw;
  }

  /** Makes descriptors available, one behind the other, the first one last. */
  offer(...descriptors: readonly PackedDescriptor[]): void {
    const { buffer, byteOffset } = this.#raw.descriptors;
    const ring = new Uint8Array(buffer, byteOffset);
    const written = descriptors.map((descriptor) => {
      const flags = (descriptor.flags ?? 0) | (this.#wrap ? AVAILABLE : USED);
      const at = this.#index;
      this.#index += 1;
      if (this.#index === this.#raw.size) {
        this.#index = 0;
        this.#wrap = !this.#wrap;
      }
      return { at, bytes: encode({ ...descriptor, flags }), flags };
    });
    for (const { at, bytes } of written.toReversed()) {
      ring.set(bytes.subarray(0, 14), at * 16);
      Atomics.store(
        this.#raw.descriptors16,
        at * 8 + 7,
        (bytes[14] ?? 0) | ((bytes[15] ?? 0) << 8),
      );
    }
  }
}

/** An indirect table in a buffer of its own, `shift` bytes behind its start. */
export function writePackedTable(
  buffer: GuestBuffer,
  shift: number,
  descriptors: readonly PackedDescriptor[],
): PackedDescriptor {
  descriptors.forEach((descriptor, i) => buffer.bytes.set(encode(descriptor), shift + i * 16));
  return { address: buffer.guestAddress + shift, length: descriptors.length * 16, flags: INDIRECT };
}
