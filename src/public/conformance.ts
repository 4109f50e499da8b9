/**
 * `vhost-user/conformance`: the conformance suite for programs.
 *
 * - {@link describeConformance} makes a test of each check, in `node:test` or another test runner
 * - {@link runChecks} and {@link runFrontendChecks} run checks on a target
 * - {@link createConformanceReport} makes a report of their results; {@link conformanceJunit},
 *   {@link conformanceMarkdown}, {@link conformanceHtml} and {@link conformanceLines} format it
 *
 * @example
 *
 * ```ts
 * import { describeConformance } from "vhost-user/conformance";
 *
 * describeConformance({ device: "block", start: async () => "disk.sock" });
 * ```
 */
export {
  type DescribeOptions,
  describeConformance,
  type TestRunner,
} from "../lab/conformance/describe.ts";
export {
  type Baseline,
  CaseFailure,
  type CaseInfo,
  CaseSkip,
  type Check,
  type CheckContext,
  type CheckInfo,
  checks,
  type Conversation,
  type EarlyStop,
  type Effect,
  type Expectation,
  type Facts,
  type FrontendCheck,
  frontendChecks,
  type FrontendContext,
  FrontendListener,
  FrontendProgram,
  type FrontendProgramOptions,
  type FrontendRun,
  type FrontendRunOptions,
  type FrontendTarget,
  type Kit,
  type KitRequest,
  kits,
  type KnownDevice,
  knownDevice,
  measure,
  type Message,
  type MockOptions,
  type Needs,
  parseBaseline,
  type ProcessEnd,
  type ReadRequest,
  type RequestKit,
  type Profile,
  profiles,
  type ProgramOptions,
  ProgramTarget,
  runCheck,
  runChecks,
  runFrontendCheck,
  runFrontendChecks,
  type RunOptions,
  selectChecks,
  type Selection,
  SocketTarget,
  survey,
  type Target,
  type TargetOffer,
  type TargetProcess,
  type TargetProgram,
  type TargetReport,
  type Times,
  timesOf,
  updateBaseline,
  type RunningDevice,
  type BringUpOptions,
} from "../lab/conformance/index.ts";
export {
  type CaseResult,
  conformanceHtml,
  conformanceJunit,
  conformanceLines,
  conformanceMarkdown,
  conformanceMatrix,
  type ConformanceReport,
  type ConformanceRun,
  type ConformanceTarget,
  conformanceTotals,
  failureLines,
  countFailures,
  countVerdicts,
  createConformanceReport,
  type FailOn,
  type Finding,
  isFailure,
  type MatrixColumn,
  mergeReports,
  type Strength,
  type Verdict,
  type VerdictCounts,
} from "../lab/results/index.ts";
