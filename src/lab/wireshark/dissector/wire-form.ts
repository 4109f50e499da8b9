/** The form in which Wireshark shows a field. */
export type Show =
  | "dec"
  | "hex"
  /** Signed. */
  | "int"
  | "mac"
  | "uuid"
  | "text"
  | "bytes"
  /** One bit of `mask`. */
  | "bool"
  /** A word of virtio features, and one of protocol features. */
  | "virtio"
  | "protocol";

/** A field of a structure, as the dissector reads it. */
export interface WirePart {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly show: Show;
  /** The bits of the field in a number of 32 bits. */
  readonly mask?: number;
}

/** Parts that are repeated. */
export interface WireList {
  /** Name of one element. */
  readonly name: string;
  readonly offset: number;
  /** The forms of an element, the shortest first: the size of the payload decides. */
  readonly forms: readonly { readonly size: number; readonly parts: readonly WirePart[] }[];
  /** Offset of a number of 32 bits that counts the elements; or the number itself. */
  readonly count: { readonly offset: number } | number;
  /** Elements that are zero are not shown. */
  readonly skipsZero?: true;
}

/** One form of a structure. */
export interface WireForm {
  readonly minSize: number;
  readonly maxSize: number;
  /** The byte at an offset has this value. */
  readonly when?: { readonly offset: number; readonly byte: number };
  readonly parts: readonly WirePart[];
  readonly list?: WireList;
  /** The bytes behind the parts, up to the end. */
  readonly rest?: {
    readonly name: string;
    readonly offset: number;
    /** It is a part of the device's configuration space, whose offset is the first part. */
    readonly isConfig?: true;
  };
}

/** A structure with the forms that it may have, the likeliest first. */
export interface WireStructure {
  readonly name: string;
  /** The first part of the names of its fields; a structure and its reply have the same. */
  readonly prefix: string;
  readonly forms: readonly WireForm[];
}
