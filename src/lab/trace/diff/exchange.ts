import type { Direction } from "../../../core/protocol/index.ts";
import { type JsonObject, type Json, type MessageEvent, shortName } from "../event.ts";
import { shortFeature } from "../feature-history.ts";

/** The fields that a comparison of sessions leaves out, by name. */
export const MASKS = {
  time: "times and round trips",
  identity: "descriptor numbers and the identity of objects; their kinds are compared",
  "user-address": "user addresses; those in a memory region are compared as region and offset",
  "mmap-offset": "offsets of regions in their files",
  interleaving: "whether a reply came before or after later requests",
  "ring-base": "ring indices, which count the requests of a run (only with --mask ring-base)",
} as const;
export type Mask = keyof typeof MASKS;

/** Masks of every comparison: they differ between two runs of the same programs. */
export const DEFAULT_MASKS: readonly Mask[] = [
  "time",
  "identity",
  "user-address",
  "mmap-offset",
  "interleaving",
];

/** A request with its reply, in words that are the same in every run. */
export interface Exchange {
  readonly channel: Direction;
  readonly request: string;
  reply: string | undefined;
}

/** Collects the exchanges of one session. */
export class ExchangeList {
  readonly #masks: ReadonlySet<Mask>;
  readonly #byNumber = new Map<number, Exchange>();
  /** In the order of the requests, which is total on each socket. */
  readonly list: Exchange[] = [];

  constructor(masks: ReadonlySet<Mask>) {
    this.#masks = masks;
  }

  add(event: MessageEvent): void {
    const words = meaningOf(event, this.#masks);
    const name = shortName(event.request);
    const request = event.answers && this.#byNumber.get(event.answers.to);
    if (event.isReply && request !== undefined) {
      request.reply = words;
      this.#byNumber.delete(event.answers?.to ?? 0);
      return;
    }
    const exchange: Exchange = {
      channel: event.channel,
      request: event.isReply ? `reply to nothing: ${name} ${words}` : `${name} ${words}`.trim(),
      reply: undefined,
    };
    this.list.push(exchange);
    this.#byNumber.set(event.number, exchange);
  }
}

/** The text of an exchange, by which it is compared. */
export function textOf({ request, reply }: Exchange): string {
  return reply === undefined ? request : `${request} → ${reply}`;
}

/** Returns a message's payload in words that are the same in every run, as far as it is not masked. */
export function meaningOf(event: MessageEvent, masks: ReadonlySet<Mask>): string {
  const { request, header, fields, payload, descriptors } = event;
  const value = fields === undefined ? { hex: Buffer.from(payload).toString("hex") } : fields;
  const flags = header.flags & ~7;
  return [
    flags === 0 ? "" : flags === 8 ? "need_reply" : `flags=0x${flags.toString(16)}`,
    ...Object.entries(masked(value, request, masks)).map(
      ([name, each]) => `${name}=${shown(each)}`,
    ),
    ...descriptors.map(
      ({ name, role, object }) => `{${role ?? name.split("@")[0]}: ${object.kind}}`,
    ),
  ]
    .filter((word) => word !== "")
    .join(" ");
}

/** Names of feature bits without their prefixes. */
function shown(value: Json): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
    return JSON.stringify(value);
  }
  return `[${value.map(shortFeature).join(" ")}]`;
}

const ADDRESSES = ["descriptor", "used", "available"] as const;

function masked(fields: JsonObject, request: string, masks: ReadonlySet<Mask>): JsonObject {
  const hidden = new Set<string>();
  if (masks.has("user-address")) hidden.add("userAddress");
  if (masks.has("mmap-offset")) hidden.add("mmapOffset");
  if (masks.has("ring-base") && request.includes("VRING_BASE")) hidden.add("num");
  const { places, ...rest } = fields;
  // The names say what the bits are.
  const plain = without(rest, hidden);
  if (!masks.has("user-address") || typeof places !== "object" || places === null) return plain;
  const byRegion = places as JsonObject;
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => {
      const isAddress = ADDRESSES.some((each) => each === name);
      return [name, isAddress ? (byRegion[name] ?? "outside of memory") : value];
    }),
  );
}

function without(fields: JsonObject, hidden: ReadonlySet<string>): JsonObject {
  const visit = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !hidden.has(name))
        .map(([name, each]) => [name, visit(each)]),
    );
  };
  return visit(fields) as JsonObject;
}
