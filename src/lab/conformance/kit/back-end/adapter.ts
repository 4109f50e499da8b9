import { delay } from "../../../../core/base/index.ts";
import { type Adapter, CaseFailure, type Evidence, type Lost } from "../../../engine/index.ts";
import type { CaseResult } from "../../../results/index.ts";
import { type Check, isHostile } from "../check.ts";
import { CheckContext } from "./context.ts";
import type { Facts } from "./facts.ts";
import { missing } from "./needs.ts";
import { seededRandom } from "../random.ts";
import { deathOf } from "../../targets/death.ts";
import { waitForReport } from "../../targets/target-report.ts";
import { endText, type Target } from "../../targets/target.ts";
import type { Times } from "../times.ts";
import { expectCleanSession } from "./clean-session.ts";

/** A process that dies of a check is dead within this time. */
const DEATH_MS = 100;
/** Attempts to reach a target before it counts as lost. */
const ATTEMPTS = 3;
/** Time between attempts to reach a target that the suite cannot restart, as a part of the time for an answer. */
const PAUSE = 0.5;

/** What checks of a back-end run on. */
export interface BackendSubject {
  readonly target: Target;
  readonly facts: Facts;
  readonly times: Times;
  /** The seed of random inputs. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs checks on a back-end: the suite is the front-end. */
export class BackendAdapter implements Adapter<CheckContext, Check> {
  readonly #subject: BackendSubject;

  constructor(subject: BackendSubject) {
    this.#subject = subject;
  }

  missing({ needs }: Check): string | undefined {
    return missing(needs, this.#subject.facts, this.#subject.target);
  }

  limitMs({ slow = 1 }: Check): number {
    return this.#subject.times.checkMs * slow;
  }

  open({ id }: Check): CheckContext {
    const { target, facts, times, seed } = this.#subject;
    // What happened before this check is not evidence for it.
    target.takeReport();
    return new CheckContext({ target, facts, times, random: seededRandom(`${seed} ${id}`) });
  }

  async run(check: Check, t: CheckContext): Promise<void> {
    if (isHostile(check)) await expectCleanSession(t, "before");
    await check.run(t);
    if (isHostile(check)) await expectCleanSession(t, "after");
  }

  async close(t: CheckContext, ended: unknown): Promise<Evidence> {
    const { target, facts } = this.#subject;
    if (ended instanceof CaseFailure) t.exchange.markDeciding();
    t.close();
    const mayHaveDied = ended instanceof CaseFailure || t.endedByTarget;
    const { ends, output } = await waitForReport(target, mayHaveDied ? DEATH_MS : 0);
    for (const end of ends) t.exchange.note("··", `the target's process ${endText(end)}`);
    const death = deathOf(facts.oneSession, ends, output);
    const { warnings, values, exchange } = t;
    return { warnings, values, ended: death ?? ended, exchange: exchange.lines, output };
  }

  async lost(_: CheckContext, { verdict }: CaseResult): Promise<Lost | undefined> {
    if (verdict !== "FAIL") return undefined;
    const reason = await this.#unreachable();
    if (reason === undefined) return undefined;
    return {
      reason: `the target could not be reached in ${ATTEMPTS} attempts: ${reason}`,
      because: "the target is gone",
    };
  }

  /**
   * Returns why the target serves no session in {@link ATTEMPTS} attempts; undefined if it does. A
   * process of the suite that hangs is restarted; the supervisor of another process gets time to do
   * so.
   */
  async #unreachable(): Promise<string | undefined> {
    const { target, facts, times, signal } = this.#subject;
    let reason = "";
    for (let attempt = 1; attempt <= ATTEMPTS && !signal?.aborted; attempt++) {
      const t = new CheckContext({ target, facts, times, random: Math.random });
      try {
        if (attempt > 1) {
          if (target.restart === undefined) await delay(times.answerMs * PAUSE);
          else await target.restart();
        }
        await t.newSession();
        return undefined;
      } catch (error) {
        const found = error instanceof CaseFailure ? (error.actual ?? error.message) : undefined;
        reason = found ?? (error instanceof Error ? error.message : String(error));
      } finally {
        t.close();
      }
    }
    return reason;
  }
}
