import type { Context } from "../../context.ts";
import { PcapngOutput } from "../trace/pcapng-output.ts";
import { openCapture, warnOfEnd } from "./open.ts";
import { expectOtherFile } from "./other-file.ts";

interface ExportOptions {
  /** Path, or `-`. */
  readonly pcapng: string;
  readonly device?: string | undefined;
  readonly force?: true | undefined;
}

/** Writes a capture as pcapng. */
export async function exportCapture(
  file: string,
  { pcapng: path, device, force: overwrite }: ExportOptions,
  context: Context,
): Promise<void> {
  const { reader, events, signal } = await openCapture(file, device, context);
  if (path !== "-") expectOtherFile(file, path);
  const force = overwrite === true;
  let output: PcapngOutput | undefined;
  try {
    for await (const { event, state } of events) {
      signal.throwIfAborted();
      // Known after the first line, which is before the first event.
      const startedMs = startOf(reader.end.started);
      output ??= new PcapngOutput({ path, force, startedMs });
      output.consumer.event(event, state, []);
      if (!(await output.room())) break;
    }
    output ??= new PcapngOutput({ path, force });
  } finally {
    await output?.close();
  }
  warnOfEnd(file, reader, context);
}

/** A capture of another recorder does not say when it was made. */
function startOf(started: string | undefined): number {
  const time = Date.parse(started ?? "");
  return Number.isFinite(time) ? time : 0;
}
