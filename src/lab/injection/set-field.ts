import {
  backendRequests,
  type Codec,
  frontendRequests,
  parseProtocolFeature,
  parseVirtioFeature,
  replyCodecs,
  requestSpec,
  type RequestSpec,
} from "../../core/protocol/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import { type MessageEvent, shortName } from "../trace/index.ts";
import { fieldName, structureOf, type WirePart } from "../wireshark/index.ts";
import type { Changed } from "./changed.ts";

const HEADER_FIELDS = ["request", "flags", "size"] as const;
const MAX_U32 = 0xffff_ffffn;

/** Returns the new value of a field. */
type Value = (old: bigint) => bigint;

/**
 * Parses `FIELD=VALUE`. Fields are those of the text and JSON of the message; in a list
 * `region.0.size`. A value is a number, or for a feature word also `+NAME` or `-NAME`.
 *
 * @param target the requests; of a single one, the field's name is checked at once
 * @throws {TypeError} naming the fields that exist
 */
export function parseFieldChange(
  text: string,
  target: string,
): (event: MessageEvent, frame: Frame) => Changed {
  const [, name = "", value = ""] = /^([\w.]+)=(\S+)$/.exec(text) ?? [];
  if (name === "") throw new TypeError(`set ${text} must be set FIELD=VALUE, e.g. set num=0`);
  const specs = specsOf(target);
  const isPayload = !name.startsWith("header.") && !/^byte\.\d+$/.test(name);
  if (specs.length > 0 && isPayload && !specs.some((spec) => hasField(spec, name))) {
    throw new TypeError(`${name} is not a field of ${target}; choose from ${namesOf(specs)}`);
  }
  if (name.startsWith("header.")) {
    const field = HEADER_FIELDS.find((each) => name === `header.${each}`);
    if (field === undefined) {
      throw new TypeError(`${name} must be header.request, header.flags or header.size`);
    }
    const change = valueOf(value, undefined);
    return (_, frame) => {
      const word = change(BigInt(frame.header[field])) & MAX_U32;
      return { frame: { ...frame, header: { ...frame.header, [field]: Number(word) } }, made: [] };
    };
  }
  const isFeature = /^[+-]/.test(value);
  if (!isFeature) valueOf(value, undefined);
  return (event, frame) => {
    const part = partOf(event, name);
    const payload = frame.payload.slice();
    if (part === undefined || part.offset + part.size > payload.length) {
      throw new TypeError(`${shortName(event.request)} has no field ${name} here`);
    }
    write(payload, part, valueOf(value, part));
    return { frame: { ...frame, payload }, made: [] };
  };
}

/** The requests that a target names without wildcards or further words. */
function specsOf(target: string): RequestSpec[] {
  const tables: readonly RequestSpec[] = [
    ...Object.values(frontendRequests),
    ...Object.values(backendRequests),
  ];
  const words = target.toUpperCase().split(/[^\w]+/);
  return tables.filter(({ name }) => words.includes(shortName(name)));
}

function codecsOf(spec: RequestSpec): Codec<unknown>[] {
  return [spec.payload, ...replyCodecs(spec)];
}

function hasField(spec: RequestSpec, name: string): boolean {
  return codecsOf(spec).some((codec) => fieldIn(codec, undefined, name) !== undefined);
}

function namesOf(specs: readonly RequestSpec[]): string {
  const parts = specs
    .flatMap(codecsOf)
    .flatMap((codec) =>
      structureOf(codec).forms.flatMap(({ parts: own, list }) => [
        ...own.map((part) => part.name),
        ...(list?.forms[0]?.parts.map((part) => `${list.name}.0.${part.name}`) ?? []),
      ]),
    );
  return [...new Set([...parts, "header.flags", "header.size", "byte.0"])].join(", ");
}

function partOf(event: MessageEvent, name: string): WirePart | undefined {
  const byte = /^byte\.(\d+)$/.exec(name)?.[1];
  if (byte !== undefined) return { name, offset: Number(byte), size: 1, show: "dec" };
  const spec = requestSpec(event.channel, event.header.request);
  const codecs = spec === undefined ? [] : event.isReply ? replyCodecs(spec) : [spec.payload];
  for (const codec of codecs) {
    const part = fieldIn(codec, event.payload.length, name);
    if (part !== undefined) return part;
  }
  return undefined;
}

/** @param size bytes of the payload; default: any */
function fieldIn(
  codec: Codec<unknown>,
  size: number | undefined,
  name: string,
): WirePart | undefined {
  const wanted = fieldName(name);
  for (const { minSize, maxSize, parts, list } of structureOf(codec).forms) {
    if (size !== undefined && (size < minSize || size > maxSize)) continue;
    const own = parts.find((part) => part.name === wanted);
    if (own !== undefined) return own;
    const [, index, inner] = /^\w+\.(\d+)\.([\w.]+)$/.exec(wanted) ?? [];
    if (list === undefined || index === undefined || !wanted.startsWith(`${list.name}.`)) continue;
    const form = list.forms.find((each) => {
      const count = size === undefined ? 0 : (size - list.offset) / each.size;
      return Number.isInteger(count);
    });
    const part = form?.parts.find((each) => each.name === inner);
    if (form === undefined || part === undefined) continue;
    return { ...part, offset: list.offset + Number(index) * form.size + part.offset };
  }
  return undefined;
}

/** @throws {TypeError} the text is neither a number nor a feature of the part */
function valueOf(text: string, part: WirePart | undefined): Value {
  const [, sign = "", rest = ""] = /^([+-]?)(.*)$/.exec(text) ?? [];
  if (sign !== "" && part?.show === "protocol") return bitChange(sign, parseProtocolFeature(rest));
  if (sign !== "" && part?.show === "virtio") return bitChange(sign, parseVirtioFeature(rest));
  if (!/^(0x[\da-f]+|\d+)$/i.test(text)) {
    throw new TypeError(`${text} must be a number, or for a word of features +NAME or -NAME`);
  }
  const value = BigInt(text);
  return () => value;
}

function bitChange(sign: string, mask: bigint): Value {
  return sign === "+" ? (old) => old | mask : (old) => old & ~mask;
}

/** Writes a number of any size; bits outside of the mask stay. */
function write(payload: Uint8Array, { offset, size, mask }: WirePart, change: Value): void {
  let old = 0n;
  for (let i = size - 1; i >= 0; i -= 1) old = (old << 8n) | BigInt(payload[offset + i] ?? 0);
  const bits = mask === undefined ? (1n << BigInt(8 * size)) - 1n : BigInt(mask);
  const shift = mask === undefined ? 0n : BigInt(Math.log2(mask & -mask));
  let value = (old & ~bits) | ((change((old & bits) >> shift) << shift) & bits);
  for (let i = 0; i < size; i += 1) {
    payload[offset + i] = Number(value & 0xffn);
    value >>= 8n;
  }
}
