import { oneLine } from "../one-line.ts";
import type { Direction } from "../../../core/protocol/index.ts";
import type { TraceConsumer } from "../consumer.ts";
import type { TraceEvent } from "../event.ts";
import { ExchangeList, type Mask, textOf } from "./exchange.ts";
import { compareSequences, type DiffLine } from "./sequences.ts";

/** One socket of two sessions, compared. */
export interface SocketDiff {
  /** Number of the session, in both traces. */
  readonly session: number;
  /** The side whose requests the socket carries: `front-end` is the main socket. */
  readonly channel: Direction;
  readonly lines: readonly DiffLine[];
  /** Lines that are not in both. */
  readonly differences: number;
}

/**
 * The comparison of two traces by meaning: the order is compared on each socket, not between them.
 */
export class ComparedTrace implements TraceConsumer {
  readonly #masks: ReadonlySet<Mask>;
  readonly #sessions = new Map<number, ExchangeList>();

  constructor(masks: readonly Mask[]) {
    this.#masks = new Set(masks);
  }

  event(event: TraceEvent): void {
    if (event.type !== "message") return;
    let list = this.#sessions.get(event.session);
    if (list === undefined) {
      list = new ExchangeList(this.#masks);
      this.#sessions.set(event.session, list);
    }
    list.add(event);
  }

  /** Compares each socket with that of the other trace, session by session. */
  compare(other: ComparedTrace): SocketDiff[] {
    const sessions = [...new Set([...this.#sessions.keys(), ...other.#sessions.keys()])];
    return sessions
      .sort((a, b) => a - b)
      .flatMap((session) =>
        (["front-end", "back-end"] as const).flatMap((channel) => {
          const [before, after] = [this.#texts(session, channel), other.#texts(session, channel)];
          if (before.length + after.length === 0) return [];
          const lines = compareSequences(before, after);
          const differences = lines.filter(({ mark }) => mark !== "=").length;
          return [{ session, channel, lines, differences }];
        }),
      );
  }

  #texts(session: number, channel: Direction): string[] {
    const list = this.#sessions.get(session)?.list ?? [];
    return list.filter((each) => each.channel === channel).map(textOf);
  }
}

/** Lines around a difference that are shown. */
const CONTEXT = 2;

/** A comparison for people: differences with what is around them. */
export function describeDiff(diffs: readonly SocketDiff[]): string[] {
  return diffs.flatMap(({ session, channel, lines, differences }) => {
    const socket = channel === "front-end" ? "main socket" : "back-end channel";
    const head = `session ${session}, ${socket}: `;
    if (differences === 0) return [`${head}equal, ${lines.length} exchanges`];
    return [`${head}${differences} lines differ`, ...shortened(lines)];
  });
}

function shortened(lines: readonly DiffLine[]): string[] {
  const isNear = (at: number): boolean =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ mark }) => mark !== "=");
  const shown: string[] = [];
  let equal = 0;
  const skip = (): void => {
    if (equal > 0) shown.push(`    … ${equal} equal`);
    equal = 0;
  };
  for (const [at, { mark, text }] of lines.entries()) {
    if (!isNear(at)) {
      equal += 1;
      continue;
    }
    skip();
    shown.push(`  ${mark === "=" ? " " : mark} ${oneLine(text)}`);
  }
  skip();
  return shown;
}
