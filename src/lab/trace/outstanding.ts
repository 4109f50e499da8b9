import {
  type DueReply,
  HeaderFlag,
  dueReply,
  type RequestSpec,
} from "../../core/protocol/index.ts";
import type { Negotiation } from "../../core/session/index.ts";
import type { Answered, Unanswered } from "./event.ts";
import type { Direction } from "../../core/protocol/index.ts";

/** Requests of one connection that are remembered; behind that the oldest is forgotten. */
const MAX_OUTSTANDING = 1024;

/** A request that may be answered. */
interface Outstanding {
  readonly number: number;
  readonly request: number;
  readonly name: string;
  readonly us: number;
  /** The reply that is due; undefined for an unknown request. */
  readonly due: DueReply | undefined;
  reported: boolean;
}

/** The request that a reply belongs to, and its evaluation. */
export interface Match {
  readonly answers: Answered | undefined;
  /** The reply that the specification demands here. */
  readonly due: DueReply | undefined;
  /** An earlier request that had to be answered first. */
  readonly skipped: string | undefined;
}

/** Requests of one connection that wait for a reply. Replies come in the order of their requests. */
export class OutstandingRequests {
  readonly #by: Direction;
  #list: Outstanding[] = [];

  /** @param by the side that answers on this connection */
  constructor(by: Direction) {
    this.#by = by;
  }

  /** Remembers a request if it may be answered. */
  add(
    spec: RequestSpec | undefined,
    name: string,
    message: { readonly number: number; readonly us: number },
    header: { readonly request: number; readonly flags: number },
    negotiation: Negotiation,
  ): void {
    const needReply = (header.flags & HeaderFlag.NeedReply) !== 0;
    const { protocolFeatures, postcopy } = negotiation;
    const due = spec && dueReply(spec, { protocolFeatures, needReply, postcopy });
    // libvhost-user answers need_reply whatever was negotiated.
    if (!needReply && due?.rule !== "own") return;
    const { number, us } = message;
    this.#list.push({ number, us, request: header.request, name, due, reported: false });
    if (this.#list.length > MAX_OUTSTANDING) this.#list.shift();
  }

  /** Finds the request of a reply, and forgets those before it. */
  take(request: number, us: number): Match {
    const at = this.#list.findIndex((each) => each.request === request);
    const found = this.#list[at];
    if (found === undefined) return { answers: undefined, due: undefined, skipped: undefined };
    const skipped = this.#list.slice(0, at).find(isDue)?.name;
    this.#list = this.#list.slice(at + 1);
    return { answers: { to: found.number, us: us - found.us }, due: found.due, skipped };
  }

  /** Requests that must be answered and were not. */
  unanswered(us: number): Unanswered[] {
    return this.#list.filter(isDue).map((each) => this.#unanswered(each, us));
  }

  /** Returns the requests that have waited for longer than `limitUs`, each once. */
  late(us: number, limitUs: number): Unanswered[] {
    const late = this.#list.filter(
      (each) => !each.reported && isDue(each) && us - each.us >= limitUs,
    );
    for (const each of late) each.reported = true;
    return late.map((each) => this.#unanswered(each, us));
  }

  #unanswered({ number, name, us: since }: Outstanding, us: number): Unanswered {
    return { number, request: name, by: this.#by, waitedUs: us - since };
  }
}

function isDue({ due }: Outstanding): boolean {
  return due !== undefined && due.rule !== "none";
}
