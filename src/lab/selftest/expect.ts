import { CaseFailure } from "../engine/index.ts";

/** @throws {CaseFailure} the two differ */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (Object.is(actual, expected)) return;
  throw new CaseFailure(what, { expected: String(expected), actual: String(actual) });
}

/** @throws {CaseFailure} the condition does not hold */
export function expectThat(condition: boolean, expectation: string): void {
  if (!condition) throw new CaseFailure(`expected ${expectation}`);
}

/**
 * Runs a function that must fail with an error of this type, and returns the error.
 *
 * @throws {CaseFailure} it does not fail, or with another error
 */
export async function expectError<E extends Error>(
  type: new (...args: never[]) => E,
  run: () => Promise<unknown>,
): Promise<E> {
  const expected = `a ${type.name}`;
  try {
    await run();
  } catch (error) {
    if (error instanceof type) return error;
    throw new CaseFailure("the error", { expected, actual: String(error) });
  }
  throw new CaseFailure("the error", { expected, actual: "no error" });
}
