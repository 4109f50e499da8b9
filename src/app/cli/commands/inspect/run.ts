import { closeSync, openSync } from "node:fs";
import { UsageError } from "../../../../core/base/index.ts";
import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import {
  compareStates,
  describeSession,
  describeStateChange,
  type InspectedSession,
  readCapture,
  StatePage,
  TraceReader,
} from "../../../../lab/trace/index.ts";
import type { Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";
import { namedKind } from "../../named-kind.ts";

interface InspectOptions {
  /** Microseconds. */
  readonly at?: number | undefined;
  /** Two moments, microseconds. */
  readonly diff?: readonly number[] | undefined;
  readonly session?: number | undefined;
  /** Not parsed yet. */
  readonly device?: string | undefined;
  readonly json?: true | undefined;
}

/** The sessions of a capture at a moment. */
interface Moment {
  readonly us: number;
  readonly sessions: readonly InspectedSession[];
}

/** Prints what the sessions of a capture had set up at a moment, or what changed between two. */
export async function inspectCapture(
  file: string,
  { at, diff, session, device, json }: InspectOptions,
  { output, signal }: Context,
): Promise<void> {
  if (at !== undefined && diff !== undefined) {
    throw new UsageError("--at and --diff cannot be combined; --diff has both moments");
  }
  withUserFile(file, "a capture", "name the file that trace --write made", () =>
    closeSync(openSync(file, "r")),
  );
  const kind = await namedKind(device);
  const look = async (us?: number): Promise<Moment> => momentOf(file, kind, us, session, signal);
  if (diff !== undefined) {
    const [from, to] = momentsOf(diff);
    const [before, after] = [await look(from), await look(to)];
    expectSession(file, after, session);
    const changes = compareStates(before.sessions, after.sessions);
    if (json) {
      output.json({ schemaVersion: 1, kind: "inspect-diff", file, from, to, changes });
      return;
    }
    output.print(`${file} from ${from} µs to ${to} µs`);
    for (const change of changes) output.print(describeStateChange(change));
    return;
  }
  const moment = await look(at);
  expectSession(file, moment, session);
  const { us, sessions } = moment;
  if (json) {
    output.json({ schemaVersion: 1, kind: "inspect", file, us, sessions });
    return;
  }
  output.print(`${file} at ${us} µs`);
  for (const each of sessions) for (const line of describeSession(each)) output.print(line);
}

/**
 * Reads a capture up to a moment.
 *
 * @param at default: its end
 */
async function momentOf(
  file: string,
  kind: DeviceKind | undefined,
  at: number | undefined,
  session: number | undefined,
  signal: AbortSignal,
): Promise<Moment> {
  const page = new StatePage();
  let last = 0;
  for await (const { event, state } of readCapture(file, new TraceReader(kind, at))) {
    signal.throwIfAborted();
    last = event.us;
    if (session === undefined || event.session === session) page.event(event, state);
  }
  const us = at ?? last;
  return { us, sessions: page.sessions(us) };
}

function momentsOf(diff: readonly number[]): readonly [from: number, to: number] {
  const [from, to] = diff;
  if (from === undefined || to === undefined || diff.length !== 2) {
    throw new UsageError(
      `--diff must have two moments, not ${diff.length}: inspect FILE --diff 20ms 1.5s`,
    );
  }
  if (from > to)
    throw new UsageError(
      `--diff: ${from} µs is later than ${to} µs; name the earlier moment first`,
    );
  return [from, to];
}

/** @throws {UsageError} nothing is known of this moment */
function expectSession(file: string, { us, sessions }: Moment, session: number | undefined): void {
  if (sessions.length > 0) return;
  if (us === 0 && session === undefined) {
    throw new UsageError(`${file} has no events; name the file that trace --write made`);
  }
  const which = session === undefined ? "no session" : `no session ${session}`;
  throw new UsageError(
    `${file} has ${which} at ${us} µs; choose a session and a time that capture show prints`,
  );
}
