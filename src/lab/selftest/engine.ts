import { makeRecordedFolder } from "../programs/index.ts";
import type { CaseResult, GroupResult } from "../results/index.ts";

/** What the command's options say to the groups. */
export interface GroupOptions {
  /** A back-end that runs already; else the built-in one is started. */
  readonly socket?: string | undefined;
  /** Concurrent clients of the stress group. */
  readonly clients: number;
  /** Rounds of the stress group. */
  readonly rounds: number;
  /** Connections that the perf group measures. */
  readonly connections: number;
  /** A missing program fails a test in place of skipping it. */
  readonly requirePrograms: boolean;
}

/** What a test is given. */
export interface TestContext {
  readonly options: GroupOptions;
  readonly signal: AbortSignal;
  /** A private folder; gone after the group. */
  readonly folder: string;
  /** Adds a line to what was seen. */
  readonly note: (line: string) => void;
  /** Runs after the test, the last one first, also when it failed. */
  readonly defer: (cleanUp: () => unknown) => void;
}

/** What does not run, and why. */
export class SkipError extends Error {}

export interface TestCase {
  /** A sentence: what holds when it passes. */
  readonly title: string;
  run(context: TestContext): void | Promise<void>;
}

export interface TestGroup {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly TestCase[];
}

/** Told of results as they come. */
export interface GroupObserver {
  readonly onStart?: (group: TestGroup) => void;
  readonly onCase?: (title: string) => void;
  readonly onResult?: (result: CaseResult) => void;
}

/**
 * Runs a group's tests one after another. A test that throws has failed; the next one runs all the
 * same.
 *
 * @throws the signal's reason, after cleaning up; what `makeRecordedFolder` throws
 */
export async function runGroup(
  group: TestGroup,
  options: GroupOptions,
  signal: AbortSignal,
  observer: GroupObserver = {},
): Promise<GroupResult> {
  observer.onStart?.(group);
  const folder = makeRecordedFolder(group.name);
  const start = performance.now();
  const results: CaseResult[] = [];
  try {
    for (const [i, each] of group.cases.entries()) {
      signal.throwIfAborted();
      observer.onCase?.(each.title);
      const result = await runCase(`${group.name}/${i + 1}`, each, {
        options,
        signal,
        folder: folder.path,
      });
      signal.throwIfAborted();
      results.push(result);
      observer.onResult?.(result);
    }
  } finally {
    folder.remove();
  }
  const { name, title } = group;
  return { name, title, durationMs: Math.round(performance.now() - start), results };
}

async function runCase(
  id: string,
  each: TestCase,
  { options, signal, folder }: Pick<TestContext, "options" | "signal" | "folder">,
): Promise<CaseResult> {
  const notes: string[] = [];
  const cleanUps: (() => unknown)[] = [];
  const start = performance.now();
  const context: TestContext = {
    options,
    signal,
    folder,
    note: (line) => notes.push(line),
    defer: (cleanUp) => cleanUps.push(cleanUp),
  };
  let failure: unknown;
  try {
    await each.run(context);
  } catch (error) {
    failure = error;
  }
  for (const cleanUp of cleanUps.toReversed()) {
    try {
      await cleanUp();
    } catch (error) {
      failure ??= error;
    }
  }
  const durationMs = Math.round(performance.now() - start);
  const result = { id, title: each.title, durationMs, values: notes, findings: [], exchange: [] };
  if (failure === undefined) return { ...result, verdict: "PASS" };
  const reason = failure instanceof Error ? failure.message : `not an error: ${typeof failure}`;
  return { ...result, verdict: failure instanceof SkipError ? "SKIP" : "FAIL", reason };
}

/** @throws an error that says what was expected and what came */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (Object.is(actual, expected)) return;
  throw new Error(`${what}: expected ${String(expected)}, got ${String(actual)}`);
}

/** @throws an error saying what was expected */
export function expectThat(condition: boolean, expectation: string): void {
  if (!condition) throw new Error(`expected ${expectation}`);
}

/** Runs what must fail with an error of this type; returns the error. */
export async function expectError<E extends Error>(
  type: new (...args: never[]) => E,
  run: () => Promise<unknown>,
): Promise<E> {
  try {
    await run();
  } catch (error) {
    if (error instanceof type) return error;
    throw new Error(`expected a ${type.name}, got ${String(error)}`, { cause: error });
  }
  throw new Error(`expected a ${type.name}, nothing failed`);
}
