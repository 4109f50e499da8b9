import { counted } from "../../core/base/index.ts";
import type { ChainUsedEvent, RingEvent, RingSignalEvent } from "./ring-event.ts";
import { oneLine } from "./one-line.ts";
import type { TraceStyle } from "./style.ts";

/**
 * Describes an event of a ring in words: `>` a chain was made available, `<` it was used.
 */
export function describeRingEvent(event: RingEvent, style: TraceStyle): string {
  const { queue } = event;
  const ring = `ring ${event.ring}${queue === undefined ? "" : ` ${oneLine(queue)}`}`;
  switch (event.type) {
    case "chain-available": {
      const { chain, head, text, readable, writable, depth, failed } = event;
      const note = style(
        "note",
        `(chain ${chain}, head ${head}, ${readable} B to read, ${writable} B to write, depth ${depth})`,
      );
      return `${ring} > ${style(failed ? "violation" : "request", text)} ${note}`;
    }
    case "chain-used": {
      const { chain, text, written, depth, failed } = event;
      const note = style(
        "note",
        `(chain ${chain}, ${written} B written, ${latencyInWords(event)}, depth ${depth})`,
      );
      return `${ring} < ${style(failed ? "violation" : "request", text)} ${note}`;
    }
    case "chains-missed":
      return style(
        "note",
        `-- ${ring}: ${counted(event.chains, "chain")} not seen: ${event.reason}`,
      );
    case "ring-stalled":
      return style(
        "violation",
        `-- ${ring} stalled: ${counted(event.chains, "chain")} available for ` +
          `${milliseconds(event.waitedUs)} ms, none used; ${event.reason}`,
      );
    case "ring-signal":
      return `${ring} ${style("request", signalInWords(event))} ${style("note", aboutSignal(event))}`;
    case "ring-view": {
      const { state, reason, totals } = event;
      const counts =
        totals && `; ${counted(totals.available, "chain")} made available, ${totals.used} used`;
      return style("note", `-- ${ring} ${state}: ${reason}${counts ?? ""}`);
    }
  }
}

/** `* kick` from the driver to the device, `* call` back. */
function signalInWords({ signal, inBand, action }: RingSignalEvent): string {
  const way = inBand ? " in a message" : "";
  return `* ${signal}${way}${action === undefined ? "" : ` ${action}`}`;
}

function aboutSignal({ signal, signals, chains, needed }: RingSignalEvent): string {
  const count = counted(signals, "signal");
  if (chains === undefined) return `(${count})`;
  const what = signal === "kick" ? "made available" : "used";
  return `(${count}, ${counted(chains, "chain")} ${what}, ${needed ? "needed" : "not needed"})`;
}

function latencyInWords({ latencyUs, marginUs }: ChainUsedEvent): string {
  return marginUs === 0 ? `${latencyUs} µs` : `${latencyUs} ± ${marginUs} µs`;
}

/** Microseconds as milliseconds. */
export function milliseconds(us: number): string {
  return (us / 1000).toFixed(us < 10_000 ? 1 : 0);
}
