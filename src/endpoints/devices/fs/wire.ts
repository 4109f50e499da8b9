/**
 * Structures of the FUSE protocol as tables of fields. Their byte order is the driver's choice
 * (VIRTIO 5.11.5), so every reader and writer takes it as a parameter.
 */

/** One field at a fixed place of a structure. */
export interface Field<V> {
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  read(view: DataView, at: number, little: boolean): V;
  write(view: DataView, at: number, value: V, little: boolean): void;
}

/** A structure of fixed size; bytes that no field covers are written as zeroes and not read. */
export interface Struct<T> {
  /** Bytes. */
  readonly size: number;
  read(view: DataView, at: number, little: boolean): T;
  write(view: DataView, at: number, value: T, little: boolean): void;
}

export function u16(offset: number): Field<number> {
  return {
    offset,
    size: 2,
    read: (view, at, little) => view.getUint16(at, little),
    write: (view, at, value, little) => view.setUint16(at, value, little),
  };
}

export function u32(offset: number): Field<number> {
  return {
    offset,
    size: 4,
    read: (view, at, little) => view.getUint32(at, little),
    write: (view, at, value, little) => view.setUint32(at, value, little),
  };
}

export function i32(offset: number): Field<number> {
  return {
    offset,
    size: 4,
    read: (view, at, little) => view.getInt32(at, little),
    write: (view, at, value, little) => view.setInt32(at, value, little),
  };
}

export function u64(offset: number): Field<bigint> {
  return {
    offset,
    size: 8,
    read: (view, at, little) => view.getBigUint64(at, little),
    write: (view, at, value, little) => view.setBigUint64(at, value, little),
  };
}

/** A structure inside of another. */
export function nested<T>(offset: number, inner: Struct<T>): Field<T> {
  return { offset, ...inner };
}

/** @param size bytes, with all padding */
export function struct<T extends object>(
  size: number,
  layout: { readonly [K in keyof T & string]: Field<T[K]> },
): Struct<T> {
  const fields = Object.entries(layout) as [keyof T & string, Field<unknown>][];
  return {
    size,
    read(view, at, little) {
      const value: Partial<Record<keyof T, unknown>> = {};
      for (const [name, field] of fields) value[name] = field.read(view, at + field.offset, little);
      return value as T;
    },
    write(view, at, value, little) {
      for (let i = 0; i < size; i += 1) view.setUint8(at + i, 0);
      for (const [name, field] of fields) field.write(view, at + field.offset, value[name], little);
    },
  };
}

/** The bytes of one structure. */
export function encodeStruct<T>(layout: Struct<T>, value: T, little = true): Uint8Array {
  const bytes = new Uint8Array(layout.size);
  layout.write(new DataView(bytes.buffer), 0, value, little);
  return bytes;
}

/** A view on exactly the bytes of an array. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
