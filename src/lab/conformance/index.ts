/**
 * suite: the conformance suite. Plays the front-end against any back-end, breaks rules on
 * purpose, and explains each verdict by the exchange that led to it. Imports what is public, and
 * protocol, transport, memory and virtqueue.
 *
 * - {@link Check} describes a check, {@link CheckContext} is its interface to the target
 * - {@link checks} lists the checks of the catalogue
 * - {@link runChecks} runs them on a {@link Target}
 */
export {
  type Baseline,
  type Expectation,
  measure,
  parseBaseline,
  updateBaseline,
} from "./baseline.ts";
export type { CaseResult, Strength, Verdict } from "../results/index.ts";
export type { Check, CheckInfo, FrontendCheck } from "./kit/check.ts";
export type { CheckContext } from "./kit/back-end/context.ts";
export type { RunningDevice, BringUpOptions } from "./kit/back-end/running-device.ts";
export { type Facts, type KnownDevice, survey, type TargetOffer } from "./kit/back-end/facts.ts";
export { CaseFailure, type CaseInfo, CaseSkip, type EarlyStop } from "../engine/index.ts";
export type { Effect, KitRequest, ReadRequest, RequestKit } from "./kit/back-end/kit.ts";
export type { Kit } from "./kit/kit.ts";
export { missing, type Needs } from "./kit/back-end/needs.ts";
export { type Profile, profiles } from "./profiles.ts";
export { type DeviceWithKit, kits, knownDevice } from "../kits/registry.ts";
export { checks, frontendChecks } from "./registry.ts";
export {
  type FrontendRunOptions,
  runCheck,
  runChecks,
  runFrontendCheck,
  runFrontendChecks,
  type RunOptions,
} from "./run.ts";
export type { FrontendContext } from "./kit/front-end/context.ts";
export type { Conversation, Message, MockOptions } from "./kit/front-end/mock.ts";
export { FrontendProgram, type FrontendProgramOptions } from "./kit/front-end/program.ts";
export type { FrontendRun, FrontendTarget } from "./kit/front-end/target.ts";
export { selectChecks, type Selection } from "./select.ts";
export { ProgramTarget, type ProgramOptions } from "./targets/program-target.ts";
export { SocketTarget } from "./targets/socket-target.ts";
export type {
  ProcessEnd,
  Target,
  TargetProcess,
  TargetProgram,
  TargetReport,
} from "./targets/target.ts";
export { knownFindings } from "./known-findings.ts";
export { discover, offeringAny } from "./kit/front-end/discover.ts";
export { FrontendListener } from "./kit/front-end/listener.ts";
export { waitForReport, reportText } from "./targets/target-report.ts";
export { within } from "./targets/within.ts";
export { fillIn, requireSocketPlace, splitWords, wordsOf } from "./targets/words.ts";
export { type Times, timesOf } from "./kit/times.ts";
