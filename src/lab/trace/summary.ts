import { counted } from "../../core/base/index.ts";
import { HEADER_SIZE } from "../../core/protocol/index.ts";
import type { TraceConsumer } from "./consumer.ts";
import { alignColumns, Durations, type RoundTrips } from "./durations.ts";
import { type MessageEvent, shortName, type TraceEvent } from "./event.ts";
import { isError } from "./filter/terms.ts";
import { isRingEvent } from "./ring-event.ts";
import { describeRingCounts, type RingCounts, RingSummary } from "./ring-summary.ts";

/** Names of requests that are counted; peers may send any number. */
const MAX_NAMES = 256;
const OTHER = "other requests";

/** The counts of one request. */
export interface RequestCount {
  readonly request: string;
  readonly messages: number;
  readonly roundTripsUs?: RoundTrips | undefined;
}

/** The counts of a trace. */
export interface TraceTotals {
  readonly sessions: number;
  readonly messages: number;
  /** Headers and payloads. */
  readonly bytes: number;
  readonly descriptors: number;
  readonly violations: number;
  /** Events that the word `error` of filters finds. */
  readonly errors: number;
  readonly roundTripsUs?: RoundTrips | undefined;
  readonly requests: readonly RequestCount[];
  /** The rings that were followed; absent if none was. */
  readonly rings?: readonly RingCounts[] | undefined;
}

interface Count {
  messages: number;
  trips?: Durations;
}

/**
 * Counts what passes.
 *
 * @example
 * ```ts
 * import { describeTotals, TraceReader, TraceSummary } from "vhost-user/testing";
 *
 * const capture = '{"us":12,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}\n';
 * const summary = new TraceSummary();
 * for (const { event } of new TraceReader().read(capture)) summary.event(event);
 * console.log(describeTotals(summary.totals).join("\n"));
 * ```
 */
export class TraceSummary implements TraceConsumer {
  readonly #counts = new Map<string, Count>();
  readonly #all: Count = { messages: 0 };
  readonly #open = new Set<number>();
  readonly #rings = new RingSummary();
  #sessions = 0;
  #bytes = 0;
  #descriptors = 0;
  #violations = 0;
  #errors = 0;

  event(event: TraceEvent): void {
    if (!this.#open.has(event.session)) {
      this.#open.add(event.session);
      this.#sessions += 1;
    }
    if (event.type === "closed") this.#open.delete(event.session);
    if (event.type === "message") this.#message(event);
    if (isRingEvent(event)) this.#rings.event(event);
    if (isError(event)) this.#errors += 1;
  }

  get totals(): TraceTotals {
    const requests = [...this.#counts].map(([request, { messages, trips }]) => ({
      request,
      messages,
      roundTripsUs: trips?.percentiles,
    }));
    const { counts: rings } = this.#rings;
    return {
      ...(rings.length > 0 && { rings }),
      sessions: this.#sessions,
      messages: this.#all.messages,
      bytes: this.#bytes,
      descriptors: this.#descriptors,
      violations: this.#violations,
      errors: this.#errors,
      roundTripsUs: this.#all.trips?.percentiles,
      requests: requests.sort((a, b) => b.messages - a.messages),
    };
  }

  #message({ request, payload, descriptors, violations, answers }: MessageEvent): void {
    this.#bytes += HEADER_SIZE + payload.length;
    this.#descriptors += descriptors.length;
    this.#violations += violations.length;
    const name = this.#counts.has(request) || this.#counts.size < MAX_NAMES ? request : OTHER;
    const count = this.#counts.get(name) ?? { messages: 0 };
    this.#counts.set(name, count);
    for (const each of [count, this.#all]) {
      each.messages += 1;
      if (answers !== undefined) {
        each.trips ??= new Durations();
        each.trips.record(answers.us);
      }
    }
  }
}

/** The totals as a table for people. */
export function describeTotals(totals: TraceTotals): string[] {
  const { sessions, messages, bytes, descriptors, violations, errors } = totals;
  const rows = [
    ...totals.requests,
    { request: "all", messages, roundTripsUs: totals.roundTripsUs },
  ].map(({ request, messages: count, roundTripsUs: trips }) => [
    shortName(request),
    String(count),
    ...(trips === undefined
      ? ["", "", "", ""]
      : [trips.count, trips.p50, trips.p99, trips.max].map(String)),
  ]);
  const table = [["request", "messages", "replies", "p50 µs", "p99 µs", "max µs"], ...rows];
  const head =
    `${counted(sessions, "session")}, ${counted(messages, "message")}, ${counted(bytes, "byte")}, ` +
    `${counted(descriptors, "descriptor")}; ${counted(violations, "broken rule")}, ` +
    `${counted(errors, "error")}`;
  const rings = totals.rings === undefined ? [] : describeRingCounts(totals.rings);
  return messages === 0 ? [head, ...rings] : [head, ...alignColumns(table), ...rings];
}
