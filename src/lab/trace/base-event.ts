/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** The fields of all events. */
export interface SessionEvent {
  /** Microseconds since the trace began. */
  readonly us: number;
  /** Sessions are counted from 0. */
  readonly session: number;
}
