import { asError, delay } from "../../../../core/base/index.ts";
import {
  type Adapter,
  CaseFailure,
  CaseSkip,
  type Evidence,
  type Lost,
} from "../../../engine/index.ts";
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
import { CleanGround } from "./clean-ground.ts";
import { expectCleanSession } from "./clean-session.ts";
import { KnownContent } from "./known-content.ts";

/** A process that dies of a check is dead within this time. */
const DEATH_MS = 100;
/** Attempts to reach a target before it counts as lost. */
const ATTEMPTS = 3;
/** Time between attempts to reach a target that the suite cannot restart, as a part of the time for an answer. */
const PAUSE = 0.5;

/** The subject of checks of a back-end. */
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
  readonly #content = new KnownContent();
  /** Number of consecutive failures to prepare its content. */
  #unprepared = 0;
  readonly #ground = new CleanGround();

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
    const { seed, target } = this.#subject;
    // Events from before this check are not evidence for it.
    target.takeReport();
    return this.#context(`${seed} ${id}`);
  }

  async run(check: Check, t: CheckContext): Promise<void> {
    await this.#prepare();
    if (isHostile(check)) await this.#ground.expect(t);
    await check.run(t);
    if (isHostile(check)) await expectCleanSession(t, "after");
  }

  found(): readonly CaseResult[] {
    return this.#ground.found();
  }

  /** Puts back what the device kept. A target that cannot take it any more was reported by its checks. */
  async end(): Promise<void> {
    await this.#aside(async (t) => this.#content.restore(t));
  }

  async close(t: CheckContext, ended: unknown): Promise<Evidence> {
    const { target, facts } = this.#subject;
    if (ended instanceof CaseFailure) t.exchange.markDeciding();
    t.close();
    const mayHaveDied = ended instanceof CaseFailure || t.endedByTarget;
    const { ends, output } = await waitForReport(target, mayHaveDied ? DEATH_MS : 0);
    for (const end of ends) t.exchange.note("··", `the target's process ${endText(end)}`);
    const death = deathOf(facts.oneSession, ends, output, ended);
    const { warnings, values, exchange } = t;
    const { observed, lines } = exchange;
    const instead = t.isBlind ? ({ data: "completion" } as const) : {};
    return { warnings, values, observed, instead, ended: death ?? ended, exchange: lines, output };
  }

  async lost(_: CheckContext, result: CaseResult): Promise<Lost | undefined> {
    const { verdict } = result;
    this.#ground.saw(result);
    const mayBeBroken = verdict === "FAIL" || result.notJudged === true;
    if (mayBeBroken || verdict === "ERROR") this.#content.doubt();
    if (!mayBeBroken) return undefined;
    const reason = await this.#unreachable();
    if (reason === undefined) return undefined;
    return {
      reason: `the target could not be reached in ${ATTEMPTS} attempts: ${reason}`,
      because: "the target is gone",
    };
  }

  /** Writes what the device is to keep, where that is not known, in a session of its own. */
  async #prepare(): Promise<void> {
    const { target } = this.#subject;
    this.#content.meets(target.process?.pid);
    if (this.#content.isKnown || this.#unprepared >= ATTEMPTS) return;
    const done = await this.#aside(async (t) => this.#content.prepare(t));
    this.#unprepared = done ? 0 : this.#unprepared + 1;
  }

  /**
   * Does something to the target that belongs to no check.
   *
   * @returns whether it worked
   */
  async #aside(work: (t: CheckContext) => Promise<void>): Promise<boolean> {
    const t = this.#context(`${this.#subject.seed} content`);
    try {
      await work(t);
      return true;
    } catch (error) {
      if (error instanceof CaseFailure || error instanceof CaseSkip) return false;
      throw error;
    } finally {
      t.close();
    }
  }

  #context(random: string): CheckContext {
    const { target, facts, times } = this.#subject;
    const content = this.#content;
    return new CheckContext({ target, facts, times, content, random: seededRandom(random) });
  }

  /**
   * Returns why the target serves no session in {@link ATTEMPTS} attempts; undefined if it does. A
   * process of the suite that hangs is restarted; the supervisor of another process gets time to do
   * so.
   */
  async #unreachable(): Promise<string | undefined> {
    const { target, times, signal } = this.#subject;
    let reason = "";
    for (let attempt = 1; attempt <= ATTEMPTS && !signal?.aborted; attempt++) {
      const t = this.#context(String(attempt));
      try {
        if (attempt > 1) {
          if (target.restart === undefined) await delay(times.answerMs * PAUSE);
          else await target.restart();
        }
        await t.newSession();
        return undefined;
      } catch (error) {
        const found = error instanceof CaseFailure ? (error.actual ?? error.message) : undefined;
        reason = found ?? asError(error).message;
      } finally {
        t.close();
      }
    }
    return reason;
  }
}
