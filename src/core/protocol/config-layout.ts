import { type Field, u16, u32, u64, u8, viewOf } from "./fields.ts";
import { type Layout, readLayout, readPresentFields, writeLayout } from "./struct.ts";

/** The configuration space of a device type, which GET_CONFIG and SET_CONFIG transfer. */
export interface ConfigLayout<T = Readonly<Record<string, unknown>>> {
  /**
   * Sizes of the space in bytes, largest first. Devices implement different numbers of fields, and
   * refuse larger reads.
   */
  readonly sizes: readonly number[];
  /** The fields by name. */
  readonly fields: Layout<T>;
}

/** Decodes every field. Fields behind the end of `bytes` are read from zeroes. */
export function decodeConfig<T>({ sizes, fields }: ConfigLayout<T>, bytes: Uint8Array): T {
  const whole = new Uint8Array(sizes[0] ?? 0);
  whole.set(bytes.subarray(0, whole.length));
  return readLayout(fields, viewOf(whole), 0);
}

/** Decodes the fields within `bytes`. */
export function decodePresentConfig<T>({ fields }: ConfigLayout<T>, bytes: Uint8Array): Partial<T> {
  return readPresentFields(fields, viewOf(bytes));
}

/** Encodes a configuration space of the largest size. */
export function encodeConfig<T>({ sizes, fields }: ConfigLayout<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(sizes[0] ?? 0);
  writeLayout(fields, viewOf(bytes), 0, value);
  return bytes;
}

/** Makes the fields of a {@link ConfigLayout}: little-endian numbers at an offset, and groups of them. */
export const configField = { u8, u16, u32, u64, group } as const;

function group<T>(offset: number, size: number, layout: Layout<T>): Field<T> {
  return {
    offset,
    size,
    parts: layout,
    read: (view, base) => readLayout(layout, view, base + offset),
    write: (view, base, value) => writeLayout(layout, view, base + offset, value),
    format: (value) => JSON.stringify(value),
  };
}
