import type { Codec, Field } from "../../../core/protocol/index.ts";
import { COMPOUND } from "./compound.ts";
import type { Show, WireForm, WirePart, WireStructure } from "./wire-form.ts";

/**
 * Returns the layout of a payload for the dissector.
 *
 * @throws {TypeError} the codec has neither fields nor a compound layout
 */
export function structureOf(codec: Codec<unknown>): WireStructure {
  const forms = COMPOUND.get(codec) ?? plainForms(codec);
  if (forms === undefined) {
    throw new TypeError(
      `${codec.name} has no layout for the dissector; describe it in compound.ts`,
    );
  }
  const name = fieldName(codec.name);
  return { name, prefix: name.replace(/_reply$/, ""), forms };
}

function plainForms({ fields, minSize, maxSize }: Codec<unknown>): WireForm[] | undefined {
  if (fields === undefined)
    return maxSize === 0 ? [{ minSize: 0, maxSize: 0, parts: [] }] : undefined;
  return [{ minSize, maxSize, parts: partsOf(fields) }];
}

/** The fields of a layout, those of groups included. */
export function partsOf(
  fields: Readonly<Record<string, Field<unknown>>>,
  base = 0,
  prefix = "",
): WirePart[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const { parts, size } = field;
    const offset = base + field.offset;
    const full = `${prefix}${fieldName(name)}`;
    if (parts !== undefined) return partsOf(parts, offset, `${full}.`);
    return [{ name: full, offset, size, show: showOf(field) }];
  });
}

function showOf(field: Field<unknown>): Show {
  const value = field.read(new DataView(new ArrayBuffer(field.offset + field.size)), 0);
  if (typeof value === "string") return field.size === 6 ? "mac" : "text";
  // Addresses and sizes of 64 bits are hexadecimal in all our texts.
  if (typeof value === "bigint") return "hex";
  return field.format(10) === "0xa" ? "hex" : "dec";
}

/** `guestAddress` and `vring state` as Wireshark names fields: `guest_address`, `vring_state`. */
export function fieldName(name: string): string {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replaceAll(/[^a-z\d.]+/g, "_");
}
