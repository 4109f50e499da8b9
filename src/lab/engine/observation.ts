/**
 * An observation of the target. A case that declares one in `observes` cannot pass without it.
 *
 * - `reply`: a message of a back-end that the case asked for, behind the set-up of its session
 * - `request`: a message of a front-end
 * - `refusal`: an error, or the end of the connection, where one of them is due
 * - `closed`: the target ended the connection
 * - `silence`: nothing came before a later reply
 * - `service`: the target serves the session, or a new one, after all that the case did
 * - `completion`: a chain was used
 * - `call`: a call descriptor was signalled
 * - `data`: bytes that the suite chose came out of the target as they went in
 * - `effect`: a request changed what the target keeps
 * - `figures`: descriptors, mappings, memory or processor time of the target's process
 * - `exit`: how a process of the target ended, or what it printed
 */
export type Observation =
  | "reply"
  | "request"
  | "refusal"
  | "closed"
  | "silence"
  | "service"
  | "completion"
  | "call"
  | "data"
  | "effect"
  | "figures"
  | "exit";
