import type { TraceEvent } from "./event.ts";

/** Outstanding chains of a ring that are kept: no ring has more entries. */
const MAX_OUTSTANDING = 32_768;
const MAX_RINGS = 1024;

/** Counts of a ring's chains, as the looks found them. */
export interface ChainsSeen {
  /** Chains made available, described or not. */
  readonly available: number;
  /** Chains that were described until they were used. */
  readonly used: number;
  /** Chains that were counted and not described. */
  readonly missed: number;
}

/** A chain that is available and not used. */
export interface WaitingChain {
  readonly chain: number;
  readonly head: number;
  readonly text: string;
  /** Microseconds since it was seen. */
  readonly waitedUs: number;
}

interface Seen {
  available: number;
  used: number;
  missed: number;
  readonly outstanding: Map<number, { head: number; text: string; us: number }>;
}

/** Follows the events of a session's rings: what was made available, and what is still outstanding. */
export class SeenChains {
  readonly #rings = new Map<number, Seen>();

  event(event: TraceEvent): void {
    switch (event.type) {
      case "chain-available": {
        const seen = this.#ring(event.ring);
        const { chain, head, text, us } = event;
        seen.available += 1;
        seen.outstanding.set(chain, { head, text, us });
        const [oldest] = seen.outstanding.keys();
        if (seen.outstanding.size > MAX_OUTSTANDING && oldest !== undefined) {
          seen.outstanding.delete(oldest);
        }
        return;
      }
      case "chain-used": {
        const seen = this.#ring(event.ring);
        seen.used += 1;
        seen.outstanding.delete(event.chain);
        return;
      }
      case "chains-missed": {
        const seen = this.#ring(event.ring);
        seen.available += event.chains;
        seen.missed += event.chains;
        return;
      }
      case "ring-view":
        // The next start counts chains from 0 again.
        if (event.state === "ended") this.#ring(event.ring).outstanding.clear();
        return;
      case "opened":
      case "message":
      case "waiting":
      case "action":
      case "channel-closed":
      case "closed":
      case "ring-stalled":
      case "ring-signal":
    }
  }

  /** Returns what was seen of a ring; nothing if it was not followed. */
  of(
    ring: number,
    us: number,
  ): { readonly chains?: ChainsSeen; readonly outstanding?: readonly WaitingChain[] } {
    const seen = this.#rings.get(ring);
    if (seen === undefined) return {};
    const { available, used, missed } = seen;
    const outstanding = [...seen.outstanding].map(([chain, { head, text, us: since }]) => ({
      chain,
      head,
      text,
      waitedUs: Math.max(0, Math.round(us - since)),
    }));
    return { chains: { available, used, missed }, outstanding };
  }

  #ring(ring: number): Seen {
    const known = this.#rings.get(ring);
    if (known !== undefined) return known;
    const seen = { available: 0, used: 0, missed: 0, outstanding: new Map() };
    if (this.#rings.size < MAX_RINGS) this.#rings.set(ring, seen);
    return seen;
  }
}
