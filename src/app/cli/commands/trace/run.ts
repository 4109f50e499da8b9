import { UsageError } from "../../../../core/base/index.ts";
import {
  describeEvent,
  eventAsJson,
  type TraceConsumer,
  traceFooter,
  traceHeader,
  Tracer,
  type TraceStyle,
} from "../../../../lab/trace/index.ts";
import { Relay, type RelayPlace } from "../../../../lab/wire/index.ts";
import type { Context } from "../../context.ts";
import { namedKind } from "../../named-kind.ts";
import { LineWriter } from "./line-writer.ts";

export interface TraceOptions {
  readonly listen?: readonly string[] | undefined;
  readonly connect?: readonly string[] | undefined;
  readonly frontEndListens?: true | undefined;
  /** Not parsed yet. */
  readonly device?: string | undefined;
  /** Milliseconds. */
  readonly late: number;
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
}

const STDOUT = 1;

/** Relays between two sides and prints events until a signal, or the end of the only session. */
export async function runTrace(options: TraceOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  const places = placesOf(options);
  const writer = new LineWriter(STDOUT);
  const device = await namedKind(options.device);
  const print = printer(options, context, writer);
  const tracer = new Tracer({
    consumers: [print],
    device,
    lateMs: options.late,
    onProblem: (problem) => output.error(`problem: ${problem.message}`),
  });
  const relay = await Relay.start({
    ...places,
    hooks: (session, peers) => tracer.session(session, peers),
    onProblem: (problem) => output.warn(`problem: ${problem.message}`),
  });
  try {
    output.note(describePlaces(places));
    await untilDone(relay, places, signal);
  } finally {
    relay.close();
    for (const session of relay.sessions) await session.closed;
    tracer.close();
    if (options.json) writer.line(traceFooter(tracer.us, print.count, writer.lost));
    await writer.flush();
  }
}

interface Printer extends TraceConsumer {
  readonly count: number;
}

function printer({ json }: TraceOptions, { output }: Context, writer: LineWriter): Printer {
  let count = 0;
  const style: TraceStyle = (part, text) => output.style(STYLES[part], text);
  if (json) writer.line(traceHeader(new Date().toISOString()));
  return {
    get count() {
      return count;
    },
    event: (event) => {
      count += 1;
      if (json) return writer.line(eventAsJson(event));
      for (const line of describeEvent(event, style)) writer.line(line);
    },
  };
}

const STYLES = { time: "gray", request: "bold", violation: "red", note: "cyan" } as const;

/** @throws {UsageError} not two sides */
function placesOf({ listen = [], connect = [], frontEndListens }: TraceOptions): {
  frontend: RelayPlace;
  backend: RelayPlace;
} {
  const places: RelayPlace[] = [
    ...listen.map((path) => ({ listen: path })),
    ...connect.map((path) => ({ connect: path })),
  ];
  const [first, second] = places;
  if (first === undefined || second === undefined || places.length > 2) {
    throw new UsageError(
      `two sides are needed, ${places.length} given: name the socket that the front-end connects to with ` +
        "--listen and the one that the back-end listens on with --connect",
    );
  }
  return frontEndListens
    ? { frontend: second, backend: first }
    : { frontend: first, backend: second };
}

function describePlaces({
  frontend,
  backend,
}: {
  frontend: RelayPlace;
  backend: RelayPlace;
}): string {
  const place = (each: RelayPlace): string =>
    "listen" in each ? `connects to ${each.listen}` : `listens on ${each.connect}`;
  return `tracing: the front-end ${place(frontend)}, the back-end ${place(backend)}`;
}

async function untilDone(
  relay: Relay,
  { frontend, backend }: { frontend: RelayPlace; backend: RelayPlace },
  signal: AbortSignal,
): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const [only] = relay.sessions;
  // Where both sides listen there is nothing to accept: the session is all there will be.
  const isSingle = "connect" in frontend && "connect" in backend;
  await (isSingle && only !== undefined ? Promise.race([aborted, only.closed]) : aborted);
}
