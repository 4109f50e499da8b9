import { EnvironmentError } from "../../../../core/base/index.ts";
import { type Adapter, CaseFailure, type Evidence, type Lost } from "../../../engine/index.ts";
import type { CaseResult } from "../../../results/index.ts";
import type { FrontendCheck } from "../check.ts";
import { deathOf } from "../../targets/death.ts";
import { endText } from "../../targets/target.ts";
import type { Times } from "../times.ts";
import type { RequestKit } from "../back-end/kit.ts";
import { Connections, CONNECTS } from "./connection.ts";
import { FrontendContext } from "./context.ts";
import type { FrontendTarget } from "./target.ts";

/** Attempts of a front-end to send something before it counts as lost. */
const ATTEMPTS = 3;

/** The subject of checks of a front-end. */
export interface FrontendSubject {
  readonly target: FrontendTarget;
  /** The kit of the device type that the front-end expects. */
  readonly kit: RequestKit;
  readonly times: Times;
  readonly signal?: AbortSignal | undefined;
}

/** Runs checks on a front-end, which each check starts again: the suite is the back-end. */
export class FrontendAdapter implements Adapter<FrontendContext, FrontendCheck> {
  readonly #subject: FrontendSubject;
  readonly #connections = new Connections();
  #hasStarted = false;
  /** The check that runs, and when it began. */
  #running = { id: "", start: 0 };

  constructor(subject: FrontendSubject) {
    this.#subject = subject;
  }

  missing({ needsMonitor }: FrontendCheck): string | undefined {
    const { hasMonitor, socketPath } = this.#subject.target;
    if (!needsMonitor || hasMonitor) return undefined;
    const because = socketPath === undefined ? "the command has no {qmp}" : "it has no monitor";
    return `${because}: the suite cannot drive the machine`;
  }

  limitMs({ slow = 1 }: FrontendCheck): number {
    return this.#subject.times.checkMs * slow;
  }

  open({ id }: FrontendCheck): FrontendContext {
    this.#running = { id, start: performance.now() };
    return this.#context();
  }

  /** @throws {EnvironmentError} there is no such program */
  async close(t: FrontendContext, ended: unknown): Promise<Evidence> {
    // The suite ends the front-end below; an orderly end before that is not a failure.
    if (ended instanceof CaseFailure) t.exchange.markDeciding();
    const death = deathOf(true, t.ends, t.output, ended);
    for (const end of t.ends) t.exchange.note("··", `the front-end ${endText(end)}`);
    await t.close();
    // A program that is missing is missing for every check.
    if (ended instanceof EnvironmentError && !this.#hasStarted) throw ended;
    this.#hasStarted = true;
    const { warnings, values, exchange, output } = t;
    const { observed, lines } = exchange;
    const { id, start } = this.#running;
    const due =
      death ??
      this.#connections.instead(id, ended, {
        exchange: lines,
        output,
        ms: performance.now() - start,
      });
    return { warnings, values, observed, ended: due, exchange: lines, output };
  }

  found(): readonly CaseResult[] {
    return this.#connections.found();
  }

  async lost(t: FrontendContext, result: CaseResult): Promise<Lost | undefined> {
    this.#connections.saw(result);
    const { verdict, notJudged } = result;
    const failed = verdict === "FAIL" || verdict === "WARN" || notJudged === true;
    if (!failed || !t.isSilent || !(await this.#staysAway())) return undefined;
    return {
      reason: `the front-end sent nothing in ${ATTEMPTS} attempts`,
      because: `the front-end sends nothing, see ${CONNECTS.id}`,
    };
  }

  #context(): FrontendContext {
    const { target, kit, times } = this.#subject;
    return new FrontendContext(target, kit, times);
  }

  /** Returns whether the front-end sends nothing in the attempts that are left after a first one. */
  async #staysAway(): Promise<boolean> {
    const { signal } = this.#subject;
    for (let attempt = 2; attempt <= ATTEMPTS && !signal?.aborted; attempt++) {
      const t = this.#context();
      try {
        await t.settled(await t.boot(), ({ messages }) => messages.length > 0);
        if (!t.isSilent) return false;
      } finally {
        await t.close();
      }
    }
    return true;
  }
}
