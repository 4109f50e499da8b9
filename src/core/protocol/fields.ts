/**
 * Numbers inside a wire structure. Readers and writers are little-endian: the protocol uses the
 * host's order, and the supported hosts (x64, arm64) are all little-endian.
 */

/** One field at a fixed place of a structure. */
export interface Field<V> {
  readonly offset: number;
  readonly size: number;
  /** The fields of a group, whose places count from the start of the group. */
  readonly parts?: Readonly<Record<string, Field<unknown>>>;
  read(view: DataView, base: number): V;
  /** @throws RangeError or TypeError when the value does not fit */
  write(view: DataView, base: number, value: V): void;
  format(value: V): string;
}

type NumberFormat = "decimal" | "hex";

/** Returns a view of exactly the bytes of an array, wherever they are in their buffer. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** @throws RangeError unless `value` is an integer within 0 and `max` */
export function assertUnsigned(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${name} must be an integer between 0 and ${max}, not ${value}`);
  }
}

const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** @throws TypeError or RangeError unless `value` is an unsigned 64-bit bigint */
export function assertU64(name: string, value: bigint): void {
  if (typeof value !== "bigint") throw new TypeError(`${name} must be a bigint`);
  if (value < 0n || value > MAX_U64) {
    throw new RangeError(`${name} must be an unsigned 64-bit number, not ${value}`);
  }
}

function unsigned(
  offset: number,
  size: 1 | 2 | 4,
  format: NumberFormat,
  get: (view: DataView, at: number) => number,
  set: (view: DataView, at: number, value: number) => void,
): Field<number> {
  const max = 2 ** (8 * size) - 1;
  return {
    offset,
    size,
    read: (view, base) => get(view, base + offset),
    write(view, base, value) {
      assertUnsigned(`field at offset ${offset}`, value, max);
      set(view, base + offset, value);
    },
    format: (value) => (format === "hex" ? hex(value) : String(value)),
  };
}

export function u8(offset: number, format: NumberFormat = "decimal"): Field<number> {
  return unsigned(
    offset,
    1,
    format,
    (view, at) => view.getUint8(at),
    (view, at, value) => view.setUint8(at, value),
  );
}

export function u16(offset: number, format: NumberFormat = "decimal"): Field<number> {
  return unsigned(
    offset,
    2,
    format,
    (view, at) => view.getUint16(at, true),
    (view, at, value) => view.setUint16(at, value, true),
  );
}

export function u32(offset: number, format: NumberFormat = "decimal"): Field<number> {
  return unsigned(
    offset,
    4,
    format,
    (view, at) => view.getUint32(at, true),
    (view, at, value) => view.setUint32(at, value, true),
  );
}

/** A 64-bit field for addresses, sizes and masks: exact, and printed in hexadecimal. */
export function u64(offset: number): Field<bigint> {
  return {
    offset,
    size: 8,
    read: (view, base) => view.getBigUint64(base + offset, true),
    write(view, base, value) {
      assertU64(`field at offset ${offset}`, value);
      view.setBigUint64(base + offset, value, true);
    },
    format: hex,
  };
}
