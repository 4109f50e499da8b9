import { asError, counted, UsageError } from "../../../../core/base/index.ts";
import type { Direction } from "../../../../core/protocol/index.ts";
import { FaultInjector, type Injection, parseInjection } from "../../../../lab/injection/index.ts";
import type { RingSignalEvent } from "../../../../lab/trace/index.ts";
import type { Relay } from "../../../../lab/wire/index.ts";
import type { SideProgram } from "./programs.ts";
import type { Sides } from "./sides.ts";

/** The faults of `--inject`. */
export class Injections {
  readonly injectors: readonly FaultInjector[];
  /** The programs that were started, which may be killed. */
  readonly programs: SideProgram[] = [];
  relay: Relay | undefined;

  /** @throws {UsageError} a fault cannot be parsed, or is about a program that is not started here */
  constructor(texts: readonly string[], sides: Sides) {
    this.injectors = texts.map((text) => {
      const injection = parsedFault(text);
      const { action } = injection;
      if (action.kind === "kill") expectOwn(action.side, sides);
      return new FaultInjector(injection, {
        disconnect: (session) => this.#disconnect(session),
        kill: (side) => this.#kill(side),
      });
    });
  }

  /** True if a fault is about kicks or calls, which have to pass through here then. */
  get concernSignals(): boolean {
    return this.injectors.some(({ injection }) => injection.isOfSignals);
  }

  /** Returns the fate of a kick or call, by the first fault that acts on it. */
  signal(event: RingSignalEvent): ReturnType<FaultInjector["signal"]> {
    for (const injector of this.injectors) {
      const decided = injector.signal(event);
      if (decided.action !== undefined) return decided;
    }
    return { fate: { kind: "pass" } };
  }

  /** The number of times that each fault was injected, as lines and for the last object of `--json`. */
  get ending(): { readonly json: object; readonly lines: readonly string[] } {
    const faults = this.injectors.map(({ injection: { text }, times }) => ({ fault: text, times }));
    return {
      json: faults.length === 0 ? {} : { injected: faults },
      lines: faults.map(({ fault, times }) => `injected ${counted(times, "time")}: ${fault}`),
    };
  }

  /** Ends delays, and closes what is held back. */
  close(): void {
    for (const injector of this.injectors) injector.close();
  }

  #disconnect(session: number): void {
    for (const each of this.relay?.sessions ?? []) if (each.number === session) each.close();
  }

  #kill(side: Direction): boolean {
    const program = this.programs.find(({ role }) => role === side);
    if (program === undefined || program.process.exit !== undefined) return false;
    process.kill(program.process.pid, "SIGKILL");
    return true;
  }
}

function parsedFault(text: string): Injection {
  try {
    return parseInjection(text);
  } catch (cause) {
    throw new UsageError(`--inject: ${asError(cause).message}`, {
      cause,
    });
  }
}

function expectOwn(side: Direction, { frontEnd, backEnd }: Sides): void {
  const { words } = side === "front-end" ? frontEnd : backEnd;
  if (words !== undefined) return;
  const name = side === "front-end" ? "front" : "back";
  throw new UsageError(
    `--inject kill=${name} needs --exec-${side}: only a program that trace started is killed`,
  );
}
