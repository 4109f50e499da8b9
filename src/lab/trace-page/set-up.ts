import { describeSession, StatePage, type TracedSession, type TraceEvent } from "../trace/index.ts";
import type { StateChange } from "./head.ts";

/** Sessions whose state a chunk begins with: those that changed last. */
const MAX_SESSIONS = 64;
/** The first line of a state counts messages, and so is never the same. */
const COUNTED_LINES = 1;

/** Follows what sessions have set up, as lines, and finds what an event changes in them. */
export class SetUp {
  readonly #page = new StatePage();
  readonly #lines = new Map<number, readonly string[]>();

  /** Returns the change of a session's lines by an event; undefined if there is none. */
  change(event: TraceEvent, state: TracedSession, row: number): StateChange | undefined {
    if (event.type !== "message" && event.type !== "opened" && event.type !== "closed") {
      return undefined;
    }
    this.#page.event(event, state);
    const { session } = event;
    const inspected = this.#page.session(session, event.us);
    if (inspected === undefined) return undefined;
    const after = describeSession(inspected).slice(COUNTED_LINES);
    const before = this.#lines.get(session) ?? [];
    const change = changeOf(before, after);
    if (change === undefined) return undefined;
    this.#lines.delete(session);
    this.#lines.set(session, after);
    const [oldest] = this.#lines.keys();
    if (this.#lines.size > MAX_SESSIONS && oldest !== undefined) this.#lines.delete(oldest);
    return [row, session, ...change];
  }

  /** Returns the lines of each session. */
  get states(): [number, readonly string[]][] {
    return [...this.#lines];
  }
}

function changeOf(
  before: readonly string[],
  after: readonly string[],
): readonly [at: number, removed: number, lines: readonly string[]] | undefined {
  let start = 0;
  while (start < before.length && before[start] === after[start]) start += 1;
  if (start === before.length && start === after.length) return undefined;
  let [from, to] = [before.length, after.length];
  while (from > start && to > start && before[from - 1] === after[to - 1]) {
    from -= 1;
    to -= 1;
  }
  return [start, from - start, after.slice(start, to)];
}
