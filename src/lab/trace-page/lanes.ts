import type { TraceEvent } from "../trace/index.ts";
import { isRingEvent } from "../trace/index.ts";
import type { PageLane } from "./head.ts";

/** The sockets and rings of all sessions, in the order in which something happened on them. */
export class Lanes {
  readonly all: PageLane[] = [];
  readonly #numbers = new Map<string, number>();

  /** Returns the number of an event's lane. */
  of(event: TraceEvent): number {
    const { session } = event;
    if (isRingEvent(event)) {
      const { ring, queue } = event;
      const name = `ring ${ring}${queue === undefined ? "" : ` ${queue}`}`;
      return this.#lane(`${session} ${ring}`, { session, name, ring });
    }
    const isChannel =
      event.type === "channel-closed" || ("channel" in event && event.channel === "back-end");
    const name = isChannel ? "back-end channel" : "main socket";
    return this.#lane(`${session} ${name}`, { session, name });
  }

  #lane(key: string, lane: PageLane): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.all.length);
    return this.all.push(lane) - 1;
  }
}
