import type { CaseResult, GroupResult } from "./model.ts";
import { countVerdicts, type FailOn, isFailure } from "./verdict.ts";
import { attribute, escape, seconds, toSecond } from "./xml.ts";

/** The properties of the run as a whole in a JUnit document. */
export interface JunitOptions {
  /** The name of the run. */
  readonly name: string;
  readonly durationMs: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** The verdicts that are failures: with `"warn"`, WARN as well. */
  readonly failOn?: FailOn | undefined;
  /** The name of each case is its id and its title. Default: its title. */
  readonly ids?: boolean | undefined;
}

/** Returns JUnit XML, in the dialect that CI servers read: one suite for each group. */
export function junitXml(groups: readonly GroupResult[], options: JunitOptions): string {
  const { name, durationMs, failOn } = options;
  const sums = sumsOf(
    groups.flatMap(({ results }) => results),
    failOn,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${attribute(name)}" ${sums} time="${seconds(durationMs)}">`,
    ...groups.map((group) => suite(group, options)),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite({ name, results, durationMs }: GroupResult, options: JunitOptions): string {
  const { SKIP, INFO } = countVerdicts(results);
  const skipped = SKIP + INFO;
  return [
    `  <testsuite name="${attribute(name)}" ${sumsOf(results, options.failOn)} skipped="${skipped}" ` +
      `time="${seconds(durationMs)}" timestamp="${attribute(toSecond(options.startedAt))}">`,
    ...results.map((result) => testCase(name, result, options)),
    "  </testsuite>",
  ].join("\n");
}

function sumsOf(results: readonly CaseResult[], failOn: FailOn | undefined): string {
  const errors = countVerdicts(results).ERROR;
  const failures = results.filter(({ verdict }) => isFailure(verdict, failOn)).length - errors;
  return `tests="${results.length}" failures="${failures}" errors="${errors}"`;
}

function testCase(group: string, result: CaseResult, { ids, failOn }: JunitOptions): string {
  const { id, title, durationMs, values } = result;
  const name = attribute(ids ? `${id} ${title}` : title);
  const head = `    <testcase classname="vhost-user.${attribute(group)}" name="${name}" time="${seconds(durationMs)}"`;
  const outcome = outcomeOf(result, failOn);
  const remarks = outcome === "" ? [...remarkOf(result), ...values] : values;
  const output =
    remarks.length === 0 ? "" : `<system-out>${escape(remarks.join("\n"))}</system-out>`;
  return outcome + output === "" ? `${head}/>` : `${head}>${outcome}${output}</testcase>`;
}

function outcomeOf(result: CaseResult, failOn: FailOn | undefined): string {
  const { verdict, reason = "", exchange, repeat } = result;
  if (verdict === "SKIP") return `<skipped message="${attribute(reason)}"/>`;
  // A CI server shows whatever is neither failed nor skipped as passed.
  if (verdict === "INFO")
    return `<skipped message="${attribute(`recorded, not judged: ${reason}`)}"/>`;
  if (!isFailure(verdict, failOn)) return "";
  const element = verdict === "ERROR" ? "error" : "failure";
  const again = repeat === undefined ? [] : [`again: ${repeat}`];
  const story = escape([reason, ...exchange, ...again].join("\n"));
  const message = attribute(reason.split("\n")[0] ?? "");
  return `<${element} message="${message}">${story}</${element}>`;
}

/** JUnit knows no verdict between passed and failed. */
function remarkOf({ verdict, reason = "" }: CaseResult): string[] {
  return verdict === "PASS" ? [] : [`${verdict}: ${reason}`];
}
