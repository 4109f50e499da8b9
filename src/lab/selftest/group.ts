import {
  type Adapter,
  type Case,
  CaseFailure,
  CaseSkip,
  type Evidence,
  runCases,
  type RunObserver,
} from "../engine/index.ts";
import { makeRecordedFolder } from "../programs/index.ts";
import type { GroupResult } from "../results/index.ts";
import { type GroupOptions, TestContext } from "./context.ts";

/** A test of this package; its group gives it an id. */
export type TestCase = Pick<Case<TestContext>, "title" | "run">;

/** Tests that the command `test` runs together. */
export interface TestGroup {
  /** The group's name on the command line. */
  readonly name: string;
  readonly title: string;
  readonly cases: readonly TestCase[];
}

/**
 * Runs a group's tests one after another. A test that throws has failed; the next one runs all the same.
 *
 * @throws the signal's reason, after the clean-up; what `makeRecordedFolder` throws
 */
export async function runGroup(
  group: TestGroup,
  options: GroupOptions,
  signal: AbortSignal,
  observer: RunObserver = {},
): Promise<GroupResult> {
  const { name, title } = group;
  const folder = makeRecordedFolder(name);
  const start = performance.now();
  const cases = group.cases.map((each, i) => ({ ...each, id: `${name}/${i + 1}` }));
  const adapter: Adapter<TestContext> = {
    open: () => new TestContext({ options, signal, folder: folder.path }),
    close: async (context, ended) => evidenceOf(context, ended),
  };
  try {
    const results = await runCases(cases, adapter, { ...observer, signal });
    signal.throwIfAborted();
    return { name, title, durationMs: Math.round(performance.now() - start), results };
  } finally {
    folder.remove();
  }
}

/** Whatever a test or its clean-up throws is a failure of the package, so that no test is ERROR. */
async function evidenceOf(context: TestContext, thrown: unknown): Promise<Evidence> {
  const failure = await context.close();
  const error = thrown ?? failure;
  const { values } = context;
  return { warnings: [], values, ended: error === undefined ? undefined : asFailure(error) };
}

function asFailure(error: unknown): CaseFailure | CaseSkip {
  if (error instanceof CaseFailure || error instanceof CaseSkip) return error;
  return new CaseFailure(error instanceof Error ? error.message : `not an error: ${typeof error}`);
}
