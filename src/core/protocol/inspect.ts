import { counted } from "../base/index.ts";
import { ProtocolError } from "../base/errors/index.ts";
import type { Codec } from "./codec.ts";
import { hex } from "./fields.ts";
import { HeaderFlag } from "./header.ts";
import type { Header } from "./header.ts";
import { replyCodecs } from "./reply-codecs.ts";
import type { Direction } from "./requests.ts";
import { requestSpec } from "./requests.ts";
import type { Bounds, FieldFault, RequestSpec } from "./table/spec.ts";

/**
 * The kind of rule that a message breaks. Receivers differ most in their handling of the last two.
 */
export type FindingKind =
  "request" | "flags" | "size" | "payload" | "descriptors" | "value" | "padding";

/** One rule that a message breaks, judged by the message alone. */
export interface MessageFinding extends FieldFault {
  readonly kind: FindingKind;
}

const RESERVED_FLAGS = ~(HeaderFlag.VersionMask | HeaderFlag.Reply | HeaderFlag.NeedReply) >>> 0;

/**
 * Finds every rule of the specification that a message breaks in any state of a session: flags,
 * size, contents, number of descriptors, field values, padding.
 *
 * @param isReply whether the receiver waits for a reply, which decides about the reply flag
 */
export function inspectMessage(
  direction: Direction,
  header: Header,
  payload: Uint8Array,
  descriptorCount: number,
  isReply: boolean,
): MessageFinding[] {
  const findings = inspectHeader(header, payload, isReply);
  const spec = requestSpec(direction, header.request);
  if (!spec) {
    const actual = String(header.request);
    return [{ kind: "request", field: "request", expected: "a known number", actual }, ...findings];
  }
  return [...findings, ...inspectPayload(spec, payload, descriptorCount, isReply)];
}

/**
 * Checks a message against every rule that {@link inspectMessage} knows.
 *
 * @throws ProtocolError for the first finding
 */
export function validateMessage(
  direction: Direction,
  header: Header,
  payload: Uint8Array,
  descriptorCount: number,
  isReply: boolean,
): void {
  const finding = inspectMessage(direction, header, payload, descriptorCount, isReply)[0];
  if (!finding) return;
  const request =
    requestSpec(direction, header.request)?.name ?? `${direction} request ${header.request}`;
  const { field, expected, actual } = finding;
  const what = `${request}${isReply ? " reply" : ""}`;
  throw new ProtocolError(`${what}: ${field} must be ${expected}, not ${actual}`, {
    request,
    field,
    expected,
    actual,
  });
}

function inspectHeader(header: Header, payload: Uint8Array, isReply: boolean): MessageFinding[] {
  const { flags, size } = header;
  const findings: MessageFinding[] = [];
  const flagged = (expected: string): void => {
    findings.push({ kind: "flags", field: "flags", expected, actual: hex(flags) });
  };
  if ((flags & HeaderFlag.VersionMask) !== HeaderFlag.Version) flagged("version 1");
  if (((flags & HeaderFlag.Reply) !== 0) !== isReply) {
    flagged(isReply ? "with the reply bit" : "without the reply bit");
  }
  // The bit has no meaning in a reply; libvhost-user echoes it all the same.
  if (isReply && (flags & HeaderFlag.NeedReply) !== 0) flagged("without need_reply");
  if ((flags & RESERVED_FLAGS) !== 0) flagged("without reserved bits");
  if (size !== payload.byteLength) {
    const expected = `the ${counted(payload.byteLength, "byte")} that follow`;
    findings.push({ kind: "size", field: "size", expected, actual: String(size) });
  }
  return findings;
}

function inspectPayload(
  spec: RequestSpec,
  payload: Uint8Array,
  descriptorCount: number,
  isReply: boolean,
): MessageFinding[] {
  const side = isReply ? spec.reply : spec;
  const codecs = isReply ? replyCodecs(spec) : [spec.payload];
  let failure: MessageFinding | undefined;
  for (const codec of codecs) {
    let value: unknown;
    try {
      value = codec.decode(payload);
    } catch (error) {
      failure ??= undecodable(error);
      continue;
    }
    // The table's rules about values apply to the usual form of a reply only.
    const usual = codec === (isReply ? spec.reply.codec : spec.payload);
    const exact = usual ? side.descriptorsFor?.(value) : undefined;
    const bounds = exact === undefined ? side.descriptors : { min: exact, max: exact };
    const fault = usual ? side.check?.(value) : undefined;
    return [
      ...inspectDescriptors(bounds, descriptorCount),
      ...(fault ? [{ kind: "value" as const, ...fault }] : []),
      ...inspectPadding(codec, value, payload),
    ];
  }
  return [...(failure ? [failure] : []), ...inspectDescriptors(side.descriptors, descriptorCount)];
}

function undecodable(error: unknown): MessageFinding {
  if (!(error instanceof ProtocolError)) throw error;
  const { field = "payload", expected = "decodable", actual = error.message } = error.details;
  return { kind: field === "size" ? "size" : "payload", field, expected, actual };
}

function inspectDescriptors({ min, max }: Bounds, count: number): MessageFinding[] {
  if (count >= min && count <= max) return [];
  const expected = min === max ? String(min) : `${min} to ${max}`;
  return [{ kind: "descriptors", field: "descriptors", expected, actual: String(count) }];
}

/** Checks that the bytes which decoding skips are zero: then encoding returns the same bytes. */
function inspectPadding(
  codec: Codec<unknown>,
  value: unknown,
  payload: Uint8Array,
): MessageFinding[] {
  const canonical = codec.encode(value);
  const free = (at: number): boolean =>
    codec.unspecified?.some(([offset, length]) => at >= offset && at < offset + length) ?? false;
  const at = payload.findIndex((byte, index) => byte !== canonical[index] && !free(index));
  if (at < 0) return [];
  const actual = hex(payload[at] ?? 0);
  return [
    {
      kind: "padding",
      field: `reserved bits of byte ${at}`,
      expected: hex(canonical[at] ?? 0),
      actual,
    },
  ];
}
