import { asError, UsageError } from "../../core/base/index.ts";
import { type EventFilter, parseFilter, type TraceEvent } from "../trace/index.ts";
import { type InjectedAction, parseAction } from "./actions.ts";
import { Occurrences } from "./when.ts";

/** A fault between two programs: which messages, what happens to them, and at which occurrences. */
export interface Injection {
  /** As it was given. */
  readonly text: string;
  readonly action: InjectedAction;
  /** Returns whether the fault is about a message, or a kick or call. */
  readonly concerns: EventFilter;
  /** True if the fault is about kicks or calls, which do not pass as messages. */
  readonly isOfSignals: boolean;
  readonly when: {
    /** @param count the occurrence, from 1 */
    has(count: number): boolean;
  };
}

const WHEN = ":when=";
const EVERY = "1+";

/**
 * Parses a fault: `REQUEST:ACTION[:when=N[..M][+STEP]]`, e.g. `SET_VRING_KICK & ring=1:drop:when=2`.
 * The part before the first colon is a filter of trace; without the word `reply` it chooses requests
 * only. With the word `kick` or `call` it chooses kicks or calls, which may be dropped or delayed:
 * `kick & ring=1:drop:when=2`.
 *
 * @throws {UsageError} naming what is wrong, and what there is to choose from
 *
 * @example
 * ```ts
 * import { parseInjection } from "vhost-user/testing";
 *
 * const { when } = parseInjection("GET_CONFIG:delay=100ms:when=2..4");
 * console.log(when.has(3), when.has(5)); // true false
 * ```
 */
export function parseInjection(text: string): Injection {
  const colon = text.indexOf(":");
  if (colon < 0) {
    throw new UsageError(`"${text}" has no action; write REQUEST:ACTION, e.g. SET_VRING_KICK:drop`);
  }
  const target = text.slice(0, colon);
  const at = text.indexOf(WHEN, colon);
  const word = text.slice(colon + 1, at < 0 ? undefined : at).trim();
  const isOfSignals = /(?:^|[^\w*?])(?:kick|call)(?![\w*?])/.test(target);
  try {
    const action = parseAction(word, target.trim());
    if (isOfSignals && action.kind !== "drop" && action.kind !== "delay") {
      throw new TypeError(`a kick or call cannot have ${word}; choose from drop, delay=DURATION`);
    }
    return {
      text,
      concerns: concernOf(target, isOfSignals),
      isOfSignals,
      action,
      when: new Occurrences(at < 0 ? EVERY : text.slice(at + WHEN.length).trim()),
    };
  } catch (cause) {
    throw new UsageError(`"${text}": ${asError(cause).message}`, { cause });
  }
}

function concernOf(target: string, isOfSignals: boolean): EventFilter {
  const filter = parseFilter(target);
  if (isOfSignals) return (event) => event.type === "ring-signal" && filter(event);
  const wantsReplies = /\breply\b/.test(target);
  return (event: TraceEvent) =>
    event.type === "message" && (wantsReplies || !event.isReply) && filter(event);
}
