/**
 * suite: the conformance suite. Plays the front-end against anybody's back-end, breaks rules on
 * purpose, and explains each verdict by the exchange that led to it. Imports what is public, and
 * protocol, transport, memory and virtqueue.
 *
 * - {@link Check} is the form of a check, {@link CheckContext} what it works with
 * - {@link checks} are those of the catalogue
 * - {@link runChecks} makes them on a {@link Target}
 */
export {
  type Baseline,
  type Expectation,
  measure,
  parseBaseline,
  updateBaseline,
} from "./baseline.ts";
export type { Check, CheckInfo, FrontendCheck, Needs, Strength } from "./check.ts";
export type { CheckContext } from "./context.ts";
export type { Up, UpOptions } from "./drive/bring-up.ts";
export { type Facts, missing, survey } from "./facts.ts";
export { CheckFailure, CheckSkip } from "./failure.ts";
export { type Profile, profiles } from "./profiles.ts";
export { checks, frontendChecks } from "./registry.ts";
export type { CheckResult, Finding, Verdict } from "./result.ts";
export { runCheck, runChecks, type RunOptions } from "./runner.ts";
export type { FrontendContext, Talk } from "./front-end/context.ts";
export type { Conversation, Message, MockOptions } from "./front-end/mock.ts";
export type { Monitor } from "./front-end/monitor.ts";
export { FrontendProgram, type FrontendProgramOptions } from "./front-end/program.ts";
export {
  type FrontendRunOptions,
  runFrontendCheck,
  runFrontendChecks,
} from "./front-end/runner.ts";
export type { FrontendRun, FrontendTarget } from "./front-end/target.ts";
export { selectChecks, type Selection } from "./select.ts";
export { ProgramTarget, type ProgramOptions } from "./target/program-target.ts";
export { SocketTarget } from "./target/socket-target.ts";
export type {
  ProcessEnd,
  Target,
  TargetProcess,
  TargetProgram,
  TargetStory,
} from "./target/target.ts";
export { knownFindings, type KnownFindings } from "./known-findings.ts";
export type { EarlyStop } from "./early-stop.ts";
export { FrontendListener } from "./front-end/listener.ts";
export { storyOf, storyText } from "./target/story.ts";
export { within } from "./within.ts";
export { fillIn, requireSocketPlace, splitWords, wordsOf } from "./target/words.ts";
export { type Times, timesOf } from "./times.ts";
