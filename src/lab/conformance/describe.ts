import { UsageError } from "../../core/base/index.ts";
import { findDeviceKind, unknownDevice } from "../../endpoints/devices/registry.ts";
import * as nodeTest from "node:test";
import type { Check } from "./kit/check.ts";
import { type Facts, survey } from "./kit/back-end/facts.ts";
import { knownDevice } from "../kits/registry.ts";
import { checks as everyCheck } from "./registry.ts";
import { type CaseResult, type FailOn, isFailure } from "../results/index.ts";
import { runCheck } from "./run.ts";
import { selectChecks, type Selection } from "./select.ts";
import { SocketTarget } from "./targets/socket-target.ts";
import type { Target } from "./targets/target.ts";
import { type Times, timesOf } from "./kit/times.ts";

/** The argument that a test runner passes to a test; both methods are used if they exist. */
interface TestCase {
  readonly skip?: (reason?: string) => void;
  readonly diagnostic?: (message: string) => void;
}

/** The functions of a test runner. `node:test` has them, and so has Vitest (with `beforeAll`). */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly test: (name: string, body: (t: TestCase) => Promise<void>) => unknown;
  readonly before: (body: () => Promise<void>) => unknown;
  readonly after: (body: () => Promise<void>) => unknown;
}

export interface DescribeOptions extends Selection {
  /** Starts the back-end; the path on which it listens, or a target of your own. */
  readonly start: () => Promise<string | Target>;
  readonly stop?: (() => Promise<void> | void) | undefined;
  readonly device: string;
  /** The verdicts that fail a test: with `"warn"`, WARN as well. */
  readonly failOn?: FailOn | undefined;
  /** Default: those of the suite. */
  readonly checks?: readonly Check[] | undefined;
  /** Time-outs of the suite. Default {@link timesOf}. */
  readonly times?: Times | undefined;
  /** Seed of random inputs. Default 1: a test should find the same every day. */
  readonly seed?: number | undefined;
  /** Default: `node:test`. */
  readonly runner?: TestRunner | undefined;
}

/**
 * Makes a test of each check, in the user's own test runner: a FAIL or ERROR (with `failOn: "warn"` a WARN)
 * fails it, as does a check that applies and could not be judged; the message carries the exchange.
 *
 * @throws {UsageError} a pattern of the selection names no check, or `device` is not a device type
 */
export function describeConformance(options: DescribeOptions): void {
  const { checks = everyCheck, device, failOn, times = timesOf(), seed = 1 } = options;
  const { describe, test, before, after } = options.runner ?? nodeTest;
  const kind = findDeviceKind(device);
  if (kind === undefined) throw new UsageError(`device: ${unknownDevice(device)}`);
  const chosen = selectChecks(checks, options);
  describe(`vhost-user conformance, ${device}`, () => {
    let target: Target | undefined;
    let facts: Facts | undefined;
    before(async () => {
      const started = await options.start();
      target = typeof started === "string" ? new SocketTarget(started) : started;
      facts = await survey(target, times, () => knownDevice(kind));
    });
    after(async () => {
      await target?.close();
      await options.stop?.();
    });
    for (const check of chosen) {
      test(`${check.id} ${check.title}`, async (t) => {
        if (target === undefined || facts === undefined) throw new Error("the target is missing");
        report(await runCheck(check, { target, facts, times, seed }), t, failOn);
      });
    }
  });
}

function report(result: CaseResult, t: TestCase, failOn: FailOn | undefined): void {
  const { verdict, reason = "", exchange, notJudged } = result;
  if (notJudged) throw new Error([reason, ...exchange].join("\n"));
  if (verdict === "SKIP") t.skip?.(reason);
  else if (isFailure(verdict, failOn)) {
    throw new Error([`${verdict}: ${reason}`, ...exchange].join("\n"));
  } else if (verdict !== "PASS") t.diagnostic?.(`${verdict}: ${reason}`);
}
