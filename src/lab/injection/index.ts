/**
 * injection: faults between two programs that are both unchanged. {@link parseInjection} reads one,
 * {@link FaultInjector} injects it into the sessions of a trace.
 */
export type { InjectedAction } from "./actions.ts";
export type { Changed } from "./changed.ts";
export { injectionHelp } from "./help.ts";
export { FaultInjector, type InjectorPorts } from "./injector.ts";
export { type Injection, parseInjection } from "./spec.ts";
