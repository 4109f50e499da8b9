import { badLine, type CaptureLine } from "../wire/index.ts";
import type { Json, JsonObject } from "./base-event.ts";
import type {
  ChainUsedEvent,
  RingEvent,
  RingPlace,
  RingSignalEvent,
  TracedChain,
} from "./ring-event.ts";

const STATES = ["followed", "paused", "ended"] as const;

/**
 * Reads the line of a ring's event; undefined if it is about something else.
 *
 * @throws {UsageError} naming the line, and the member that is wrong
 */
export function ringEventOf(
  line: CaptureLine,
  us: number,
  session: number,
  number: number,
): RingEvent | undefined {
  const count = (name: string): number => countOf(line, name, number);
  const text = (name: string): string => textOf(line, name, number);
  const place = (): RingPlace => {
    const { queue } = line;
    const ring = count("ring");
    return { us, session, ring, ...(typeof queue === "string" && { queue }) };
  };
  switch (line["event"]) {
    case "chain-available":
      return { type: "chain-available", ...place(), ...chainOf(line, number) };
    case "chain-used": {
      const [written, latencyUs, marginUs] = [
        count("written"),
        count("latencyUs"),
        count("marginUs"),
      ];
      const event: ChainUsedEvent = {
        type: "chain-used",
        ...place(),
        ...chainOf(line, number),
        written,
        latencyUs,
        marginUs,
      };
      return event;
    }
    case "chains-missed":
      return { type: "chains-missed", ...place(), chains: count("chains"), reason: text("reason") };
    case "ring-stalled": {
      const [chains, waitedUs, reason] = [count("chains"), count("waitedUs"), text("reason")];
      return { type: "ring-stalled", ...place(), chains, waitedUs, reason };
    }
    case "ring-view": {
      const state = STATES.find((each) => each === line["state"]);
      if (state === undefined) {
        throw badLine(number, `"state" must be followed, paused or ended`);
      }
      const event = { type: "ring-view", ...place(), state, reason: text("reason") } as const;
      const { totals } = line;
      if (typeof totals !== "object" || totals === null) return event;
      const of = totals as CaptureLine;
      const available = countOf(of, "available", number);
      return { ...event, totals: { available, used: countOf(of, "used", number) } };
    }
    case "ring-signal":
      return signalOf(line, place(), number);
    default:
      return undefined;
  }
}

function signalOf(line: CaptureLine, place: RingPlace, number: number): RingSignalEvent {
  const { signal, inBand, chains, needed, action } = line;
  if (signal !== "kick" && signal !== "call") {
    throw badLine(number, `"signal" must be kick or call`);
  }
  return {
    type: "ring-signal",
    ...place,
    signal,
    signals: countOf(line, "signals", number),
    ...(inBand === true && { inBand }),
    ...(chains !== undefined && { chains: countOf(line, "chains", number) }),
    ...(typeof needed === "boolean" && { needed }),
    ...(typeof action === "string" && { action }),
  };
}

function chainOf(line: CaptureLine, number: number): TracedChain {
  const count = (name: string): number => countOf(line, name, number);
  const { fields = {}, failed = false } = line;
  if (typeof failed !== "boolean") throw badLine(number, `"failed" must be true or false`);
  return {
    chain: count("chain"),
    head: count("head"),
    descriptors: count("descriptors"),
    readable: count("readable"),
    writable: count("writable"),
    text: textOf(line, "text", number),
    fields: fieldsOf(fields, number),
    failed,
    depth: count("depth"),
  };
}

function fieldsOf(value: unknown, number: number): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badLine(number, `"fields" must be an object`);
  }
  return value as Record<string, Json>;
}

function countOf(line: CaptureLine, name: string, number: number): number {
  const value = line[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw badLine(number, `"${name}" must be a number from 0`);
}

function textOf(line: CaptureLine, name: string, number: number): string {
  const value = line[name];
  if (typeof value === "string") return value;
  throw badLine(number, `"${name}" must be a string`);
}
