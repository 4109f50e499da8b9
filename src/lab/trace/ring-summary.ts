import { alignColumns, Durations, type RoundTrips } from "./durations.ts";
import { oneLine } from "./one-line.ts";
import type { RingEvent } from "./ring-event.ts";

/** Rings that are counted; those of later sessions are counted as one. */
const MAX_RINGS = 256;

/** The counts of one ring. */
export interface RingCounts {
  /** `#0 ring 0 requestq` */
  readonly name: string;
  /** Chains made available, seen or not. */
  readonly chains: number;
  /** Chains that were counted and not seen. */
  readonly missed: number;
  readonly failed: number;
  readonly stalls: number;
  readonly latencyUs?: RoundTrips | undefined;
  /** Kicks and calls; absent if they were not seen. */
  readonly signals?: SignalCounts | undefined;
}

/** The kicks and calls of one ring. */
export interface SignalCounts {
  readonly kicks: number;
  /** Kicks behind which nothing was available, or for which the device had not asked. */
  readonly kicksNotNeeded: number;
  readonly calls: number;
  readonly callsNotNeeded: number;
}

class Count {
  name = "";
  seen = 0;
  missed = 0;
  failed = 0;
  stalls = 0;
  durations: Durations | undefined;
  signals: { kick: SignalCount; call: SignalCount } | undefined;
}

interface SignalCount {
  all: number;
  notNeeded: number;
}

/** Counts the events of rings. */
export class RingSummary {
  readonly #rings = new Map<string, Count>();

  event(event: RingEvent): void {
    // A fault on a signal of a ring that is not followed says nothing about its chains.
    const isFaultOnly = event.type === "ring-signal" && event.chains === undefined && event.action;
    if (isFaultOnly) return;
    const count = this.#countOf(event);
    switch (event.type) {
      case "chain-available":
        count.seen += 1;
        return;
      case "chain-used":
        count.failed += Number(event.failed);
        count.durations ??= new Durations();
        count.durations.record(event.latencyUs);
        return;
      case "chains-missed":
        count.missed += event.chains;
        return;
      case "ring-stalled":
        count.stalls += 1;
        return;
      case "ring-signal": {
        const none = { all: 0, notNeeded: 0 };
        count.signals ??= { kick: { ...none }, call: { ...none } };
        const own = count.signals[event.signal];
        own.all += event.signals;
        // Of merged signals, one at most was needed.
        if (event.needed !== undefined)
          own.notNeeded += Math.max(0, event.signals - Number(event.needed));
        return;
      }
      case "ring-view":
    }
  }

  get counts(): RingCounts[] {
    return [...this.#rings.values()].map(
      ({ name, seen, missed, failed, stalls, durations, signals }) => {
        const latencyUs = durations?.percentiles;
        const counts = { name, chains: seen + missed, missed, failed, stalls, latencyUs };
        return signals === undefined ? counts : { ...counts, signals: signalCounts(signals) };
      },
    );
  }

  #countOf({ session, ring, queue }: RingEvent): Count {
    const place = `#${session} ring ${ring}`;
    const key = this.#rings.has(place) || this.#rings.size < MAX_RINGS ? place : "other rings";
    const count = this.#rings.get(key) ?? new Count();
    // A ring has a queue's name once its device is known.
    if (count.name === "" || queue !== undefined) {
      count.name = key === place && queue !== undefined ? `${place} ${queue}` : key;
    }
    this.#rings.set(key, count);
    return count;
  }
}

function signalCounts({ kick, call }: NonNullable<Count["signals"]>): SignalCounts {
  return {
    kicks: kick.all,
    kicksNotNeeded: kick.notNeeded,
    calls: call.all,
    callsNotNeeded: call.notNeeded,
  };
}

/** The counts of rings as tables for people: chains, and the kicks and calls that were seen. */
export function describeRingCounts(rings: readonly RingCounts[]): string[] {
  const rows = rings.map(({ name, chains, missed, failed, stalls, latencyUs: us }) => [
    oneLine(name),
    ...[chains, missed, failed, stalls].map(String),
    ...(us === undefined ? ["", "", ""] : [us.p50, us.p99, us.max].map(String)),
  ]);
  const head = ["ring", "chains", "not seen", "failed", "stalls", "p50 µs", "p99 µs", "max µs"];
  return [...alignColumns([head, ...rows]), ...describeSignals(rings)];
}

function describeSignals(rings: readonly RingCounts[]): string[] {
  const rows = rings.flatMap(({ name, signals }) => {
    if (signals === undefined) return [];
    const { kicks, kicksNotNeeded, calls, callsNotNeeded } = signals;
    return [[oneLine(name), ...[kicks, kicksNotNeeded, calls, callsNotNeeded].map(String)]];
  });
  if (rows.length === 0) return [];
  return alignColumns([["ring", "kicks", "not needed", "calls", "not needed"], ...rows]);
}
