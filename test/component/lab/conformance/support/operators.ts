/**
 * Operators of mutation: each makes a fault of its own from a request or from another fault. Where a
 * mutant is written for one check, these are not written with any check in mind.
 */
import type { BackendOptions } from "../../../../../src/endpoints/backend/index.ts";
import { frontendRequests } from "../../../../../src/core/protocol/index.ts";
import type { SpanList } from "../../../../../src/core/memory/index.ts";
import { type Base, type Mutant, type Serving, throughHandler, throughQueue } from "./mutant.ts";

/** Milliseconds by which an effect comes too late: more than a busy test needs for its next step. */
const LATE_MS = 250;
/** The base on which a request has an effect, where a plain disk has none. */
const BASES: Readonly<Record<string, Base>> = {
  IotlbMsg: "iommu",
  NetSetMtu: "net",
  SendRarp: "net",
  SetBackendReqFd: "iommu",
  SetConfig: "wce",
};

/** Answers as if it had been done. */
const dropped: Serving = () => () => undefined;

/** Answers first. What then fails has been answered already. */
const late: Serving = (plain) => (payload, incoming) => {
  const kept = { fds: incoming.fds.splice(0), replyFds: [] };
  setTimeout(() => {
    void (async () => plain(payload, kept))()
      .catch(() => undefined)
      .finally(() => kept.fds.forEach((fd) => fd.close()));
  }, LATE_MS);
};

/** Does it to the ring beside the one that was named. */
const elsewhere: Serving = (plain) => (payload, incoming) =>
  hasIndex(payload) ? plain({ ...payload, index: payload.index ^ 1 }, incoming) : undefined;

function hasIndex(payload: unknown): payload is { readonly index: number } {
  return typeof payload === "object" && payload !== null && "index" in payload;
}

/** Now and then it does something else. */
const nowAndThen = (serving: Serving): Serving => {
  const isDue = inOneOfThree();
  return (plain, session) => {
    const other = serving(plain, session);
    return (payload, incoming) => (isDue() ? other : plain)(payload, incoming);
  };
};

/** One in three, at random and the same in each run: no check opens its connections in that rhythm. */
function inOneOfThree(): () => boolean {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % 3 === 0;
  };
}

/** A fault that an operator made. */
export interface Operated {
  readonly name: string;
  readonly mutant: Mutant;
  /** The request whose handling is at fault. */
  readonly request?: string;
}

/** Faults of the requests that are acknowledged: their effect is all that there is to them. */
export function requestMutants(): readonly Operated[] {
  const servings = { dropped, late, elsewhere };
  const made: Operated[] = [];
  for (const [key, { number, name: request, reply }] of Object.entries(frontendRequests)) {
    if (reply.rule !== "ack") continue;
    for (const [operator, serving] of Object.entries(servings)) {
      const isOfRing = /^SetVring|^VringKick/.test(key);
      if (operator === "elsewhere" && !isOfRing) continue;
      const more = { base: BASES[key] ?? "block" } as const;
      const rare = nowAndThen(serving);
      const always = `${request}: effect ${operator}`;
      const seldom = `${always}, one time in three`;
      made.push(
        {
          name: always,
          request,
          mutant: throughHandler(always, () => ({ [number]: serving }), more),
        },
        {
          name: seldom,
          request,
          mutant: throughHandler(seldom, () => ({ [number]: rare }), more),
        },
      );
    }
  }
  return made;
}

/** The bytes of a chain's writable part: those of the device's answer. */
function writableOf(spans: SpanList, from: number): Uint8Array[] {
  return spans.windows
    .slice(from, spans.count)
    .map(
      (window, i) =>
        window?.bytes.subarray(
          spans.offsets[from + i] ?? 0,
          (spans.offsets[from + i] ?? 0) + (spans.lengths[from + i] ?? 0),
        ) ?? new Uint8Array(),
    );
}

/** A ring whose completions are dropped, or come before their data. */
function ringMutant(operator: "dropped" | "late", due: () => boolean): Mutant {
  return throughQueue(`completions: effect ${operator}`, (queue) => {
    const taken = new Map<number, { readonly part: Uint8Array; readonly before: Uint8Array }[]>();
    return {
      next(cursor) {
        if (!queue.next(cursor)) return false;
        const parts = writableOf(cursor.spans, cursor.readableSpans);
        taken.set(
          cursor.id,
          parts.map((part) => ({ part, before: part.slice() })),
        );
        return true;
      },
      complete(id, written) {
        const parts = taken.get(id) ?? [];
        taken.delete(id);
        if (!due()) return queue.complete(id, written);
        if (operator === "dropped") return undefined;
        const after = parts.map(({ part }) => part.slice());
        for (const { part, before } of parts) part.set(before);
        queue.complete(id, written);
        setTimeout(() => parts.forEach(({ part }, i) => part.set(after[i] ?? [])), LATE_MS);
        return undefined;
      },
    };
  });
}

export function ringMutants(): readonly Operated[] {
  return (["dropped", "late"] as const).flatMap((operator) => {
    const name = `completions: effect ${operator}`;
    return [
      { name, mutant: ringMutant(operator, () => true) },
      { name: `${name}, one time in three`, mutant: ringMutant(operator, inOneOfThree()) },
    ];
  });
}

/**
 * The same fault in one of three: requests of a kind, rings, connections. They are counted from one
 * back-end that has it to the next, so that a few runs of a check meet it.
 */
export function oneInThree(mutant: Mutant): Mutant | undefined {
  const { apply } = mutant;
  if (apply === undefined || mutant.offers) return undefined;
  const isDue = { channel: inOneOfThree(), queue: inOneOfThree(), device: inOneOfThree() };
  const byRequest = new Map<number, () => boolean>();
  const seldom = (healthy: BackendOptions, faulty: BackendOptions): BackendOptions => {
    const { channel, handler, queue } = faulty;
    return {
      ...faulty,
      device: () => (isDue.device() ? faulty : healthy).device(),
      channel: channel && ((inner) => (isDue.channel() ? channel(inner) : inner)),
      queue: queue && ((inner) => (isDue.queue() ? queue(inner) : inner)),
      handler:
        handler &&
        ((request, plain) => {
          const other = handler(request, plain);
          const isDueHere = byRequest.get(request) ?? inOneOfThree();
          byRequest.set(request, isDueHere);
          return (payload, incoming) => (isDueHere() ? other : plain)(payload, incoming);
        }),
    };
  };
  return {
    ...mutant,
    fault: `${mutant.fault}, one time in three`,
    apply: (options, world) => seldom(options, apply(options, world)),
  };
}
