import { closeSync, openSync } from "node:fs";
import { UsageError } from "../../../../core/base/index.ts";
import {
  describeSession,
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
  readonly session?: number | undefined;
  /** Not parsed yet. */
  readonly device?: string | undefined;
  readonly json?: true | undefined;
}

/** Prints what the sessions of a capture had set up at a moment. */
export async function inspectCapture(
  file: string,
  { at, session, device, json }: InspectOptions,
  { output, signal }: Context,
): Promise<void> {
  const reader = new TraceReader(await namedKind(device));
  withUserFile(file, "a capture", "name the file that trace --write made", () =>
    closeSync(openSync(file, "r")),
  );
  const page = new StatePage();
  let us = 0;
  for await (const { event, state } of readCapture(file, reader)) {
    signal.throwIfAborted();
    if (event.us > (at ?? Number.POSITIVE_INFINITY)) break;
    us = event.us;
    if (session === undefined || event.session === session) page.event(event, state);
  }
  const moment = at ?? us;
  const sessions = page.sessions(moment);
  if (sessions.length === 0) {
    const which = session === undefined ? "no session" : `no session ${session}`;
    throw new UsageError(
      `${file} has ${which} at ${moment} µs; choose a session and a time that capture show prints`,
    );
  }
  if (json) {
    output.json({ schemaVersion: 1, kind: "inspect", file, us: moment, sessions });
    return;
  }
  output.print(`${file} at ${moment} µs`);
  for (const each of sessions) for (const line of describeSession(each)) output.print(line);
}
