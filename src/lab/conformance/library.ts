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
 * describeConformance({ device: "block", start: async () => "/run/mine.sock" });
 * ```
 */
export { type DescribeOptions, describeConformance, type TestRunner } from "./describe.ts";
export {
  conformanceHtml,
  conformanceJunit,
  conformanceLines,
  conformanceMarkdown,
  conformanceMatrix,
  type ConformanceReport,
  type ConformanceRun,
  type ConformanceTarget,
  conformanceTotals,
  countFailures,
  countVerdicts,
  createConformanceReport,
  type FailOn,
  isFailure,
  type MatrixColumn,
  mergeReports,
  type VerdictCounts,
} from "../results/index.ts";
export * from "./index.ts";
