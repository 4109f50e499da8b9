import { closeSync, openSync } from "node:fs";
import { type ReadEvent, readCapture, TraceReader } from "../../../../lab/trace/index.ts";
import type { Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";
import { namedKind } from "../../named-kind.ts";

/** A capture that is read. */
export interface OpenCapture {
  readonly reader: TraceReader;
  readonly events: AsyncGenerator<ReadEvent>;
  readonly signal: AbortSignal;
}

/**
 * Opens a capture that the user named.
 *
 * @throws {UsageError | EnvironmentError} there is no such file, or it cannot be read
 */
export async function openCapture(
  file: string,
  device: string | undefined,
  { signal }: Context,
): Promise<OpenCapture> {
  const reader = new TraceReader(await namedKind(device));
  withUserFile(file, "a capture", "name the file that trace --write made", () =>
    closeSync(openSync(file, "r")),
  );
  return { reader, events: readCapture(file, reader), signal };
}

/** Warns of a capture that its recorder did not finish. */
export function warnOfEnd(
  file: string,
  { end: { end, lost } }: TraceReader,
  { output }: Context,
): void {
  if (end === "truncated") output.warn(`${file} is cut off: its recorder did not end in order`);
  if (lost > 0) output.warn(`${file} lacks ${lost} events: its recorder could not write them`);
}
