import type { Attempt } from "./back-end/session.ts";
import { CaseFailure, CaseSkip, type Grade, type Observation } from "../../engine/index.ts";
import type { Exchange } from "./exchange.ts";
import { shown } from "./shown.ts";

/** The grades for an acknowledgement of 0 for a request that must fail. */
export interface RejectOptions {
  /**
   * The grade if the request is acknowledged with 0 and the connection stays open. Default FAIL.
   */
  readonly served?: Grade | "INFO";
}

/** Closes what a check made, at its end. */
export interface Resources {
  /** @returns the same resource */
  closing<T extends { close(): void }>(resource: T): T;
}

/**
 * The findings of a check: failed expectations, which end it, and warnings and values, which do
 * not.
 */
export class Findings {
  readonly warnings: CaseFailure[] = [];
  /** Values that were recorded. */
  readonly values: string[] = [];
  /** The messages that the findings are about. */
  readonly exchange: Exchange;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  /** @throws {CaseFailure} the two differ */
  expect(what: string, actual: unknown, expected: unknown): void {
    this.expectThat(what, shown(actual) === shown(expected), shown(expected), actual);
  }

  /** @throws {CaseFailure} it does not hold */
  expectThat(what: string, holds: boolean, expected: string, actual: unknown): void {
    if (!holds) throw new CaseFailure(what, { expected, actual: shown(actual) });
  }

  /**
   * Compares bytes that the check chose with what came out of the target: `data` was observed.
   *
   * @throws {CaseFailure} they differ
   */
  expectData(what: string, actual: Uint8Array, expected: Uint8Array): void {
    const same = Buffer.compare(actual, expected) === 0;
    this.expectThat(what, same, "the same bytes", "other bytes");
    this.observe("data");
  }

  /** Records what was observed of the target; most of it the methods of the context record themselves. */
  observe(what: Observation): void {
    this.exchange.observe(what);
  }

  /**
   * Ends the check.
   *
   * @throws {CaseFailure}
   */
  fail(message: string, expected: string, actual: unknown, grade?: Grade): never {
    throw new CaseFailure(message, { grade, expected, actual: shown(actual) });
  }

  /** Records a deviation; the check continues. */
  warn(message: string, expected: string, actual: unknown): void {
    const details = { grade: "WARN", expected, actual: shown(actual) } as const;
    this.exchange.markDeciding();
    this.warnings.push(new CaseFailure(message, details));
  }

  /** A value that is recorded and not judged. */
  info(value: string): void {
    this.values.push(value);
  }

  /**
   * Ends the check without a verdict.
   *
   * @throws {CaseSkip}
   */
  skip(reason: string): never {
    throw new CaseSkip(reason);
  }

  /**
   * Ends the check without a verdict, although its rule applies: what the verdict would rest on is
   * not there.
   *
   * @throws {CaseSkip}
   */
  notJudged(reason: string): never {
    throw new CaseSkip(reason, { notJudged: true });
  }

  /**
   * The rule for what must be refused: a non-zero acknowledgement, or a close. Acknowledged with 0
   * and then closed (libvhost-user) is WARN.
   *
   * @throws {CaseFailure} acknowledged as a success, and the session goes on
   */
  reject(what: string, { ack, alive }: Attempt, { served = "FAIL" }: RejectOptions = {}): void {
    if (ack !== 0n) return this.observe("refusal");
    const expected = "a non-zero acknowledgement, or the end of the connection";
    const actual = alive
      ? "acknowledged with 0, and it goes on"
      : "acknowledged with 0, then closed";
    if (!alive) this.observe("refusal");
    if (!alive || served === "WARN") this.warn(what, expected, actual);
    else if (served === "INFO") this.info(`${what}: ${actual}`);
    else this.fail(what, expected, actual, "FAIL");
  }
}
