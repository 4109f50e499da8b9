import type { CodecValue } from "./codec.ts";
import { backendRequests } from "./table/backend.ts";
import { deviceRequests } from "./table/device.ts";
import { memoryRequests } from "./table/memory.ts";
import { sessionRequests } from "./table/session.ts";
import type { RequestSpec, RequestTable } from "./table/spec.ts";
import { vringRequests } from "./table/vrings.ts";

/**
 * Every request of a front-end. Numbers, types, encoding, validation, description and documentation
 * come from this table; `table/` has its rows by subject.
 */
export const frontendRequests = {
  ...sessionRequests,
  ...memoryRequests,
  ...vringRequests,
  ...deviceRequests,
} as const satisfies RequestTable;

export { backendRequests };

/**
 * The numbers of a front-end's requests on the main socket (specification: "Front-end message
 * types").
 *
 * @enum
 */
export const FrontendRequest = numbersOf(frontendRequests);
export type FrontendRequest = (typeof FrontendRequest)[keyof typeof FrontendRequest];

/**
 * The numbers of a back-end's requests on the channel of SET_BACKEND_REQ_FD ("Back-end message
 * types"). They are independent of the front-end's.
 *
 * @enum
 */
export const BackendRequest = numbersOf(backendRequests);
export type BackendRequest = (typeof BackendRequest)[keyof typeof BackendRequest];

/** The numbering that a request number belongs to: a reply keeps the direction of its request. */
export type Direction = "front-end" | "back-end";

/** Returns the number of each row, lowest first. */
function numbersOf<T extends RequestTable>(table: T): { readonly [K in keyof T]: T[K]["number"] } {
  const rows = Object.entries(table).sort(([, a], [, b]) => a.number - b.number);
  return Object.fromEntries(rows.map(([name, { number }]) => [name, number])) as {
    [K in keyof T]: T[K]["number"];
  };
}

type ByNumber<T extends RequestTable> = { [K in keyof T as T[K]["number"]]: T[K] };
type FrontendTable = ByNumber<typeof frontendRequests>;
type BackendTable = ByNumber<typeof backendRequests>;

type Payload<S> = S extends { payload: infer C } ? CodecValue<C> : never;
type SpecialAnswer<S> = S extends { reply: { special: { codec: infer C } } }
  ? CodecValue<C>
  : never;
type Reply<S> = S extends { reply: { rule: "own"; codec: infer C } } ? CodecValue<C> : void;

/** The payload of a front-end's request. */
export type PayloadOf<R extends FrontendRequest> = Payload<FrontendTable[R]>;
/** The value of a back-end's own reply; `void` if there is an acknowledgement at most. */
export type ReplyOf<R extends FrontendRequest> = Reply<FrontendTable[R]>;
/**
 * The return value of a handler of a front-end's request: the request's own reply, or its special
 * one.
 */
export type AnswerOf<R extends FrontendRequest> = ReplyOf<R> | SpecialAnswer<FrontendTable[R]>;
/** The payload of a back-end's request. */
export type BackendPayloadOf<R extends BackendRequest> = Payload<BackendTable[R]>;
/** The value of a front-end's own reply; `void` if there is an acknowledgement at most. */
export type BackendReplyOf<R extends BackendRequest> = Reply<BackendTable[R]>;

const specs: Readonly<Record<Direction, ReadonlyMap<number, RequestSpec>>> = {
  "front-end": byNumber(frontendRequests),
  "back-end": byNumber(backendRequests),
};

function byNumber(table: RequestTable): ReadonlyMap<number, RequestSpec> {
  return new Map(Object.values(table).map((spec) => [spec.number, spec]));
}

/** Returns the row of a request; undefined for a number that the specification does not define. */
export function requestSpec(direction: Direction, number: number): RequestSpec | undefined {
  return specs[direction].get(number);
}
