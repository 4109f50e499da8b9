import type { WirePart } from "./wire-form.ts";

/** A field that Wireshark can filter by. */
export interface ProtoField {
  /** Name in filters, without `vhost_user.`. */
  readonly key: string;
  /** The call that makes it, in Lua. */
  readonly make: string;
}

const UNSIGNED: Readonly<Record<number, string>> = {
  1: "uint8",
  2: "uint16",
  4: "uint32",
  8: "uint64",
};

/** The field of a part of a structure. */
export function partField(key: string, { size, show, mask }: WirePart): ProtoField {
  return { key, make: makeOf(key, size, show, mask) };
}

/** A single bit of a number of 32 bits. */
export function bitField(key: string, bit: number): ProtoField {
  return { key, make: makeOf(key, 4, "bool", 2 ** (bit % 32)) };
}

function makeOf(key: string, size: number, show: WirePart["show"], mask?: number): string {
  const start = `("vhost_user.${key}", "${labelOf(key)}"`;
  const masked = mask === undefined ? "" : `, nil, 0x${mask.toString(16)}`;
  switch (show) {
    case "bool":
      return `ProtoField.bool${start}, 32${masked})`;
    case "mac":
      return `ProtoField.ether${start})`;
    case "uuid":
      return `ProtoField.guid${start})`;
    case "text":
      return `ProtoField.stringz${start})`;
    case "bytes":
      return `ProtoField.bytes${start})`;
    case "int":
      return `ProtoField.int64${start}, base.DEC)`;
    case "dec":
    case "hex":
    case "virtio":
    case "protocol": {
      const type = UNSIGNED[size];
      if (type === undefined) throw new TypeError(`${key}: no number has ${size} bytes`);
      return `ProtoField.${type}${start}, base.${show === "dec" ? "DEC" : "HEX"}${masked})`;
    }
  }
}

function labelOf(key: string): string {
  return key.slice(key.lastIndexOf(".") + 1).replaceAll("_", " ");
}

/** The fields of every packet, whatever its request. */
export const COMMON_FIELDS: readonly ProtoField[] = [
  field("version", "uint8", "base.DEC"),
  field("kind", "string"),
  field("from", "string"),
  field("channel", "string"),
  field("is_reply", "bool"),
  field("device", "string"),
  field("session", "uint32", "base.DEC"),
  field("number", "uint32", "base.DEC"),
  field("elapsed", "relative_time"),
  field("rtt", "relative_time"),
  field("waited", "relative_time"),
  field("request", "string"),
  field("response_in", "framenum", "base.NONE, frametype.RESPONSE"),
  field("response_to", "framenum", "base.NONE, frametype.REQUEST"),
  field("about", "framenum", "base.NONE"),
  field("note", "string"),
  field("action", "string"),
  field("ending", "string"),
  field("violation", "string"),
  field("violation.section", "string"),
  field("descriptor", "string"),
  field("descriptor.name", "string"),
  field("descriptor.role", "string"),
  field("descriptor.kind", "string"),
  field("descriptor.id", "string"),
  field("descriptor.label", "string"),
  field("descriptor.bytes", "uint64", "base.DEC"),
  field("ring", "uint32", "base.DEC"),
  field("unknown_bit", "uint8", "base.DEC"),
  field("request_number", "uint32", "base.DEC"),
  field("flags", "uint32", "base.HEX"),
  field("flags.version", "uint32", "base.DEC, nil, 0x3"),
  field("flags.reply", "bool", "32, nil, 0x4"),
  field("flags.need_reply", "bool", "32, nil, 0x8"),
  field("flags.reserved", "uint32", "base.HEX, nil, 0xfffffff0"),
  field("size", "uint32", "base.DEC"),
  field("payload", "bytes"),
];

function field(key: string, type: string, more?: string): ProtoField {
  const start = `ProtoField.${type}("vhost_user.${key}", "${labelOf(key)}"`;
  return { key, make: more === undefined ? `${start})` : `${start}, ${more})` };
}
