/**
 * An observation of the target. A case that declares one in `observes` cannot pass without it.
 *
 * - `reply`: a message that the case asked for, behind the set-up of its session: of a back-end, or of
 *   a front-end on the back-end's own channel
 * - `request`: a message of a front-end
 * - `negotiation`: a front-end claimed the device or acknowledged features
 * - `memory`: a front-end shared memory
 * - `start`: a front-end started a ring
 * - `stop`: a front-end stopped a ring
 * - `config`: a front-end read or wrote the configuration space
 * - `refusal`: an error, or the end of the connection, where one of them is due
 * - `closed`: the target ended the connection
 * - `silence`: nothing came before a later reply
 * - `service`: the target goes on after all that the case did: a back-end serves the session or a new
 *   one; a front-end connects again, answers its monitor, still runs, or ended in an orderly way
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
  | "negotiation"
  | "memory"
  | "start"
  | "stop"
  | "config"
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
