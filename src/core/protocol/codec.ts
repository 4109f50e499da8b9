import { counted } from "../base/index.ts";
import { ProtocolError } from "../base/errors.ts";

/**
 * Largest payload a receiver should accept: everything the specification defines fits (the biggest
 * fixed structure has 2056 bytes), and rust-vmm draws the line at the same place.
 */
export const MAX_PAYLOAD_SIZE = 4096;

/**
 * One wire structure: bytes to value and back. Pure, and strict about sizes; for the reading that
 * real peers need see {@link decodeLenient}.
 */
export interface Codec<T> {
  /** What the structure is called in messages, e.g. `vring state`. */
  readonly name: string;
  readonly minSize: number;
  readonly maxSize: number;
  /**
   * Ranges `[offset, length]` whose contents nobody defines (tail padding of C structures, stale
   * pointers): any bytes may be there and none survive decoding.
   */
  readonly unspecified?: readonly (readonly [offset: number, length: number])[];
  /** Bytes that {@link encode} would produce. */
  size(value: T): number;
  /** @throws RangeError or TypeError when the value does not fit: the caller's mistake */
  encode(value: T): Uint8Array;
  /**
   * The value owns its memory. Padding and reserved bits are skipped, not judged.
   *
   * @throws ProtocolError when the bytes are not such a structure, surplus bytes included
   */
  decode(payload: Uint8Array): T;
  /** The value on one line, as `field=value` pairs. */
  describe(value: T): string;
  /** How long a structure of variable length says itself to be; the payload has `minSize` bytes. */
  announcedSize?(payload: Uint8Array): number;
}

/** The value type of a codec. */
export type CodecValue<C> = C extends { decode(payload: Uint8Array): infer T } ? T : never;

/**
 * Decodes as forgiving peers do: surplus bytes are cut off, a payload below `minSize` is filled up
 * with zeros (libvhost-user reads such fields from a zeroed or stale buffer).
 *
 * @throws ProtocolError when the bytes make no sense even so
 */
export function decodeLenient<T>(codec: Codec<T>, payload: Uint8Array): T {
  let bytes = payload;
  if (bytes.byteLength < codec.minSize) {
    bytes = new Uint8Array(codec.minSize);
    bytes.set(payload);
  }
  const wanted = Math.min(codec.announcedSize?.(bytes) ?? codec.maxSize, codec.maxSize);
  return codec.decode(bytes.byteLength > wanted ? bytes.subarray(0, wanted) : bytes);
}

/** Checks the length of a payload against what its structure needs. */
export function expectSize(name: string, payload: Uint8Array, size: number): void {
  if (payload.byteLength !== size) throw sizeError(name, counted(size, "byte"), payload);
}

/** The error for a payload whose length does not fit. */
export function sizeError(name: string, expected: string, payload: Uint8Array): ProtocolError {
  const actual = counted(payload.byteLength, "byte");
  return new ProtocolError(`${name}: expected ${expected}, got ${actual}`, {
    field: "size",
    expected,
    actual,
  });
}

/** The error for a field whose contents do not fit. */
export function fieldError(
  name: string,
  field: string,
  expected: string,
  actual: string,
): ProtocolError {
  return new ProtocolError(`${name}: ${field} must be ${expected}, not ${actual}`, {
    field,
    expected,
    actual,
  });
}
