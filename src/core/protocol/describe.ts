import { asError, counted } from "../base/index.ts";
import type { Codec } from "./codec.ts";
import type { DeviceType } from "./feature-table.ts";
import { hex } from "./fields.ts";
import { HeaderFlag } from "./header.ts";
import type { Header } from "./header.ts";
import { hexBytes } from "./hex.ts";
import { virtioFeatures } from "./payloads/u64.ts";
import { replyCodecs } from "./reply-codecs.ts";
import type { Direction } from "./requests.ts";
import { requestSpec } from "./requests.ts";
import { virtioFeatureNames } from "./virtio-features.ts";

/** A message, and what the observer knows about it. */
export interface DescribableMessage {
  /** The numbering that the request belongs to; a reply has the direction of its request. */
  readonly direction: Direction;
  readonly header: Header;
  readonly payload: Uint8Array;
  /** Number of descriptors of the message; undefined if unknown. */
  readonly descriptors?: number | undefined;
  /** The device type, which names its feature bits. */
  readonly device?: DeviceType | undefined;
}

/**
 * Describes any message on one line: name, flags, fields, descriptors. It accepts everything that a
 * peer may send and never throws: unknown requests and undecodable payloads are shown in
 * hexadecimal, cut short.
 */
export function describeMessage(message: DescribableMessage): string {
  const { direction, header, descriptors } = message;
  const spec = requestSpec(direction, header.request);
  return [
    spec?.name ?? `unknown ${direction} request ${header.request}`,
    ...flagWords(header.flags),
    describePayload(message),
    descriptors ? `descriptors=${descriptors}` : "",
  ]
    .filter((word) => word !== "")
    .join(" ");
}

function flagWords(flags: number): string[] {
  const version = flags & HeaderFlag.VersionMask;
  const known = HeaderFlag.VersionMask | HeaderFlag.Reply | HeaderFlag.NeedReply;
  const rest = (flags & ~known) >>> 0;
  return [
    flags & HeaderFlag.Reply ? "reply" : "",
    flags & HeaderFlag.NeedReply ? "need_reply" : "",
    version === HeaderFlag.Version ? "" : `version=${version}`,
    rest === 0 ? "" : `reserved-flags=${hex(rest)}`,
  ];
}

/** Returns the payload of any message in words, as {@link describeMessage} has it. */
export function describePayload({
  direction,
  header,
  payload,
  device,
}: DescribableMessage): string {
  const spec = requestSpec(direction, header.request);
  const announced =
    header.size === payload.byteLength
      ? ""
      : `size=${header.size} but ${counted(payload.byteLength, "byte")} `;
  if (!spec) return announced + (payload.byteLength === 0 ? "" : `payload=${hexBytes(payload)}`);
  const isReply = (header.flags & HeaderFlag.Reply) !== 0;
  const candidates = isReply ? replyCodecs(spec) : [spec.payload];
  const reasons: string[] = [];
  for (const codec of candidates) {
    try {
      return announced + describeValue(codec, codec.decode(payload), device);
    } catch (error) {
      reasons.push(asError(error).message);
    }
  }
  const cut = candidates[0] && withoutSurplus(candidates[0], payload);
  if (cut !== undefined) return announced + cut;
  return `${announced}undecodable (${reasons.join("; ")}) payload=${hexBytes(payload)}`;
}

/** User Mode Linux sends tables of fixed length, whatever the count before them. */
function withoutSurplus(codec: Codec<unknown>, payload: Uint8Array): string | undefined {
  if (payload.byteLength < codec.minSize) return undefined;
  const wanted = codec.announcedSize?.(payload) ?? payload.byteLength;
  if (wanted >= payload.byteLength) return undefined;
  try {
    const value = codec.decode(payload.subarray(0, wanted));
    return `${codec.describe(value)} surplus=${counted(payload.byteLength - wanted, "byte")}`;
  } catch {
    return undefined;
  }
}

function describeValue(
  codec: Codec<unknown>,
  value: unknown,
  device: DeviceType | undefined,
): string {
  if (codec === virtioFeatures && device !== undefined && typeof value === "bigint") {
    return `${hex(value)} [${virtioFeatureNames(value, device).join(" ")}]`;
  }
  return codec.describe(value);
}
