import {
  type Codec,
  decodeLenient,
  describePayload,
  FrontendRequest,
  replyCodecs,
  type RequestSpec,
  type VringAddress,
  vringAddress,
} from "../../core/protocol/index.ts";
import type { FeatureNames, Json, JsonObject, Violation } from "./event.ts";
import { describeFeatures, type FeatureHistory } from "./feature-history.ts";
import { fieldsOf, isFeatureWord } from "./fields.ts";
import type { Match } from "./outstanding.ts";
import type { TracedSession } from "./traced-session.ts";
import type { Judged } from "./violations.ts";

/** A payload and the structure that it was found to be. */
export interface Decoded {
  readonly codec: Codec<unknown>;
  readonly value: unknown;
}

/** A payload for people and for programs. */
export interface PayloadWords {
  readonly fields: JsonObject | undefined;
  readonly text: string;
  readonly features?: FeatureNames | undefined;
  /** Rules that its addresses break. */
  readonly outside: readonly Violation[];
}

/** Decodes the payload in the form that is due, or in another one that fits. */
export function decodePayload(
  spec: RequestSpec,
  match: Match | undefined,
  payload: Uint8Array,
  isReply: boolean,
): Decoded | undefined {
  const due = match?.due?.codec;
  const codecs = isReply ? [...(due ? [due] : []), ...replyCodecs(spec)] : [spec.payload];
  for (const read of [strictly, leniently]) {
    for (const codec of codecs) {
      try {
        return { codec, value: read(codec, payload) };
      } catch {
        // Another form, or none.
      }
    }
  }
  return undefined;
}

/**
 * Puts a payload in words.
 *
 * @param decoded undefined: it has no known form
 */
export function describeDecoded(
  judged: Judged,
  decoded: Decoded | undefined,
  state: TracedSession,
  history: FeatureHistory,
): PayloadWords {
  const { channel: direction, header, payload, isReply } = judged;
  const { device } = state;
  if (decoded === undefined) {
    const text = describePayload({ direction, header, payload, device });
    return { fields: undefined, text, outside: [] };
  }
  const { codec, value } = decoded;
  if (isFeatureWord(codec) && typeof value === "bigint") {
    const features = history.note(codec, { request: header.request, isReply }, value, device);
    const fields = fieldsOf(codec, value, features, device);
    const text = describeFeatures(`0x${value.toString(16)}`, features);
    return { fields, features, text, outside: [] };
  }
  // Of a question for the configuration space only the size counts.
  const isQuestion = !isReply && header.request === FrontendRequest.GetConfig;
  const fields = fieldsOf(codec, value, undefined, isQuestion ? undefined : device);
  if (codec === vringAddress) return describeAddresses(value as VringAddress, fields, state);
  const text = configInWords(fields, isQuestion) ?? codec.describe(value);
  return { fields, text, outside: [] };
}

/** Addresses of a ring by region and offset, which are the same in every run. */
function describeAddresses(
  value: VringAddress,
  fields: JsonObject,
  state: TracedSession,
): PayloadWords {
  const parts = ["descriptor", "used", "available"] as const;
  const places: Record<string, string> = {};
  const outside: Violation[] = [];
  for (const part of parts) {
    const found = state.locate(value[part]);
    if (found !== undefined) places[part] = `${found.region.name}+${hex(found.offset)}`;
    else if (state.regions.length > 0 && state.hasPlainAddresses) {
      const rule = `${part} must be in a memory region, not ${hex(value[part])}`;
      outside.push({ rule, section: "Memory access" });
    }
  }
  const text = [
    `index=${value.index} flags=${hex(value.flags)}`,
    ...parts.map((part) => `${part}=${places[part] ?? hex(value[part])}`),
    `log=${hex(value.log)}`,
  ].join(" ");
  return { fields: { ...fields, places }, text, outside };
}

/** A configuration space in words, where its layout is known; undefined for anything else. */
function configInWords(
  { config, offset, flags, data }: JsonObject,
  isQuestion: boolean,
): string | undefined {
  if (typeof data !== "string") return undefined;
  const head = `offset=${inWords(offset)} size=${data.length / 2} flags=${inWords(flags)}`;
  if (isQuestion) return head;
  if (typeof config !== "object" || config === null) return undefined;
  const entries = Object.entries(config).map(([name, each]) => `${name}=${inWords(each)}`);
  return [head, ...entries].join(" ");
}

function inWords(value: Json | undefined): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function strictly(codec: Codec<unknown>, payload: Uint8Array): unknown {
  return codec.decode(payload);
}

/** User Mode Linux sends tables of fixed length, whatever the count before them. */
function leniently(codec: Codec<unknown>, payload: Uint8Array): unknown {
  if (payload.length < codec.minSize) throw new RangeError("too short");
  return decodeLenient(codec, payload);
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
