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
}

class Count {
  seen = 0;
  missed = 0;
  failed = 0;
  stalls = 0;
  durations: Durations | undefined;
}

/** Counts the events of rings. */
export class RingSummary {
  readonly #rings = new Map<string, Count>();

  event(event: RingEvent): void {
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
      case "ring-view":
    }
  }

  get counts(): RingCounts[] {
    return [...this.#rings].map(([name, { seen, missed, failed, stalls, durations }]) => {
      const latencyUs = durations?.percentiles;
      return { name, chains: seen + missed, missed, failed, stalls, latencyUs };
    });
  }

  #countOf({ session, ring, queue = "" }: RingEvent): Count {
    const name = `#${session} ring ${ring} ${queue}`.trimEnd();
    const key = this.#rings.has(name) || this.#rings.size < MAX_RINGS ? name : "other rings";
    const count = this.#rings.get(key) ?? new Count();
    this.#rings.set(key, count);
    return count;
  }
}

/** The counts of rings as a table for people. */
export function describeRingCounts(rings: readonly RingCounts[]): string[] {
  const rows = rings.map(({ name, chains, missed, failed, stalls, latencyUs: us }) => [
    oneLine(name),
    ...[chains, missed, failed, stalls].map(String),
    ...(us === undefined ? ["", "", ""] : [us.p50, us.p99, us.max].map(String)),
  ]);
  const head = ["ring", "chains", "not seen", "failed", "stalls", "p50 µs", "p99 µs", "max µs"];
  return alignColumns([head, ...rows]);
}
