import type { Direction } from "../../../../core/protocol/index.ts";
import { within } from "../../../../lab/conformance/index.ts";
import { shortName, type TraceInterceptor, Tracer } from "../../../../lab/trace/index.ts";
import { Relay } from "../../../../lab/wire/index.ts";
import type { Context } from "../../context.ts";
import { type SideProgram, startSide } from "./programs.ts";
import type { Side } from "./sides.ts";

/** Milliseconds that a program may take to start, besides what its session lasts. */
const START_MS = 10_000;

/** A message at which a session is cut: it is not passed on. */
export interface CutMessage {
  /** Messages are counted from 1, those of the back-end channel included. */
  readonly number: number;
  readonly request: string;
  readonly from: Direction;
}

/** The end of one run of the front-end. */
export interface TorturedRun {
  readonly messages: number;
  /** The message at which the session was cut; undefined if it had fewer messages. */
  readonly cut: CutMessage | undefined;
  readonly frontEnd: SideProgram;
  /** True if the front-end did not end, and was killed. */
  readonly hung: boolean;
  readonly ms: number;
}

/** Programs print much in many sessions: only how they end counts. */
export const unprinted = (): void => undefined;

/** The places of one run. */
export interface RunPlaces {
  /** Path on which we listen for the front-end. */
  readonly listen: string;
  /** Path on which the back-end listens. */
  readonly connect: string;
  /** The number of the message at which the session is cut; 0: not at all. */
  readonly cutAt: number;
  /** Milliseconds that the front-end may take. */
  readonly limitMs: number;
}

/**
 * Runs the front-end's program once, and cuts its session on both sides before a message is passed on.
 * Later sessions, of a front-end that connects again, are not cut.
 */
export async function runOnce(
  side: Side,
  { listen, connect, cutAt, limitMs }: RunPlaces,
  context: Context,
): Promise<TorturedRun> {
  let messages = 0;
  let cut: CutMessage | undefined;
  const made: { relay?: Relay } = {};
  const cutter: TraceInterceptor = {
    message: async ({ session, request, from }, frame, forward) => {
      messages += 1;
      if (messages !== cutAt) return forward(frame);
      cut = { number: messages, request: shortName(request), from };
      for (const each of made.relay?.sessions ?? []) if (each.number === session) each.close();
      return undefined;
    },
  };
  const tracer = new Tracer({ consumers: [], interceptors: [cutter] });
  const relay = await Relay.start({
    frontend: { listen },
    backend: { connect },
    hooks: (session, peers) => tracer.session(session, peers),
    // The back-end may be gone: the front-end sees that, and how it ends shows the rest.
    onProblem: () => undefined,
  });
  made.relay = relay;
  const done = new AbortController();
  let frontEnd: SideProgram | undefined;
  const began = performance.now();
  try {
    ({ program: frontEnd } = await startSide(side, listen, context, unprinted));
    await within(
      Promise.race([frontEnd.process.exited, aborted(context.signal, done.signal)]),
      limitMs + START_MS,
    );
    const hung = frontEnd.process.exit === undefined && !context.signal.aborted;
    const ms = performance.now() - began;
    return { messages, cut, frontEnd, hung, ms };
  } finally {
    done.abort();
    await frontEnd?.process.kill();
    const open = [...relay.sessions];
    relay.close();
    for (const session of open) await session.closed;
    tracer.close();
  }
}

/** Resolves once `signal` aborts; `done` removes the listener. */
async function aborted(signal: AbortSignal, done: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true, signal: done });
  });
}
