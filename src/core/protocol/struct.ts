import { expectSize } from "./codec.ts";
import type { Codec } from "./codec.ts";
import { viewOf } from "./fields.ts";
import type { Field } from "./fields.ts";

/** The places of the fields of `T`. Bytes that belong to no field are padding, written as zero. */
export type Layout<T> = { readonly [K in keyof T & string]-?: Field<T[K]> };

type AnyField = [name: string, field: Field<unknown>];

/** Reads all fields of a structure that starts at `base`. */
export function readLayout<T>(layout: Layout<T>, view: DataView, base: number): T {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(layout) as AnyField[]) {
    value[name] = field.read(view, base);
  }
  return value as T;
}

/** Reads the fields within the view. */
export function readPresentFields<T>(layout: Layout<T>, view: DataView): Partial<T> {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(layout) as AnyField[]) {
    if (field.offset + field.size <= view.byteLength) value[name] = field.read(view, 0);
  }
  return value as Partial<T>;
}

/** Writes all fields of a structure that starts at `base`. */
export function writeLayout<T>(layout: Layout<T>, view: DataView, base: number, value: T): void {
  for (const [name, field] of Object.entries(layout) as AnyField[]) {
    const content = (value as Record<string, unknown>)[name];
    try {
      field.write(view, base, content);
    } catch (error) {
      // The field writer knows its offset only: the message needs the name of the field.
      if (error instanceof RangeError) throw new RangeError(`${name}: ${error.message}`);
      if (error instanceof TypeError) throw new TypeError(`${name}: ${error.message}`);
      throw error;
    }
  }
}

/** Formats `name=value` pairs in the order of the layout. */
export function formatLayout<T>(layout: Layout<T>, value: T): string {
  return (Object.entries(layout) as AnyField[])
    .map(([name, field]) => `${name}=${field.format((value as Record<string, unknown>)[name])}`)
    .join(" ");
}

/** Makes a codec for a structure of fixed size made of plain numbers. */
export function struct<T extends object>(
  name: string,
  size: number,
  layout: Layout<T>,
  unspecified: readonly (readonly [offset: number, length: number])[] = [],
): Codec<T> {
  return {
    name,
    minSize: size,
    maxSize: size,
    unspecified,
    fields: layout,
    size: () => size,
    encode(value) {
      const bytes = new Uint8Array(size);
      writeLayout(layout, viewOf(bytes), 0, value);
      return bytes;
    },
    decode(payload) {
      expectSize(name, payload, size);
      return readLayout(layout, viewOf(payload), 0);
    },
    describe: (value) => formatLayout(layout, value),
  };
}
