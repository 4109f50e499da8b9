/**
 * engine: runs cases of any kind on any target, and judges them. What differs between targets is in
 * an {@link Adapter}.
 */
export type { Adapter, Evidence, Lost } from "./adapter.ts";
export type { Case, CaseInfo, Tag } from "./case.ts";
export { CaseFailure, CaseSkip, type Grade } from "./failure.ts";
export type { Observation } from "./observation.ts";
export { type EarlyStop, runCase, runCases, type RunControl, type RunObserver } from "./runner.ts";
