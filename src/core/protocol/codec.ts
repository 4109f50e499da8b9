import { counted } from "../base/index.ts";
import { ProtocolError } from "../base/errors/index.ts";
import type { Field } from "./fields.ts";

/**
 * Largest payload a receiver should accept: everything the specification defines fits (the biggest
 * fixed structure has 2056 bytes), and rust-vmm draws the line at the same place.
 */
export const MAX_PAYLOAD_SIZE = 4096;

/**
 * Converts one wire structure between bytes and a value. It is pure, and strict about sizes; {@link
 * decodeLenient} accepts the sizes that real peers send.
 */
export interface Codec<T> {
  /** The name of the structure in messages, for example `vring state`. */
  readonly name: string;
  readonly minSize: number;
  readonly maxSize: number;
  /**
   * Ranges `[offset, length]` with undefined contents (tail padding of C structures, stale
   * pointers): they may hold any bytes, and decoding drops them.
   */
  readonly unspecified?: readonly (readonly [offset: number, length: number])[];
  /** The fields by name, of a structure of plain numbers at fixed places. */
  readonly fields?: Readonly<Record<string, Field<unknown>>>;
  /** Returns the number of bytes that {@link encode} would produce. */
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
  /**
   * Returns the size that a structure of variable length announces; the payload has at least
   * `minSize` bytes.
   */
  announcedSize?(payload: Uint8Array): number;
}

/** The value type of a codec. */
export type CodecValue<C> = C extends { decode(payload: Uint8Array): infer T } ? T : never;

/**
 * Decodes as lenient peers do: surplus bytes are cut off, a payload below `minSize` is padded with
 * zeros (libvhost-user reads such fields from a zeroed or stale buffer).
 *
 * @throws ProtocolError when the bytes cannot be decoded even then
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

/** Makes the error for a payload of the wrong length. */
export function sizeError(name: string, expected: string, payload: Uint8Array): ProtocolError {
  const actual = counted(payload.byteLength, "byte");
  return new ProtocolError(`${name}: expected ${expected}, got ${actual}`, {
    field: "size",
    expected,
    actual,
  });
}

/** Makes the error for a field with invalid contents. */
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
