import { basename, resolve } from "node:path";
import { UsageError } from "../../../../core/base/index.ts";
import { describeHint, SessionHints } from "../../../../lab/trace/index.ts";
import type { Context } from "../../context.ts";
import { PageOutput } from "../trace/page-output.ts";
import { PcapngOutput } from "../trace/pcapng-output.ts";
import { openCapture, warnOfEnd } from "./open.ts";
import { expectOtherFile } from "./other-file.ts";

interface ExportOptions {
  /** Path, or `-`. */
  readonly pcapng?: string | undefined;
  readonly html?: string | undefined;
  readonly device?: string | undefined;
  readonly force?: true | undefined;
}

/** Writes a capture as pcapng, as a page, or both. */
export async function exportCapture(
  file: string,
  { pcapng, html, device, force: overwrite }: ExportOptions,
  context: Context,
): Promise<void> {
  if (pcapng === undefined && html === undefined) {
    throw new UsageError("--pcapng or --html is missing: name the file to write");
  }
  if (pcapng !== undefined && html !== undefined && resolve(pcapng) === resolve(html)) {
    throw new UsageError("--pcapng and --html name the same file; choose another path for one");
  }
  const { reader, events, signal } = await openCapture(file, device, context);
  for (const path of [pcapng, html]) {
    if (path !== undefined && path !== "-") expectOtherFile(file, path);
  }
  const force = overwrite === true;
  const page = html === undefined ? undefined : new PageOutput(html, force);
  const hints = new SessionHints();
  let packets: PcapngOutput | undefined;
  try {
    for await (const { event, state } of events) {
      signal.throwIfAborted();
      page?.consumer.event(event, state, []);
      if (page !== undefined) hints.event(event, state, []);
      if (pcapng === undefined) continue;
      // Known after the first line, which is before the first event.
      const startedMs = startOf(reader.end.started);
      packets ??= new PcapngOutput({ path: pcapng, force, startedMs });
      packets.consumer.event(event, state, []);
      if (!(await packets.room())) break;
    }
    if (pcapng !== undefined) packets ??= new PcapngOutput({ path: pcapng, force });
  } finally {
    await packets?.close();
    const { started } = reader.end;
    page?.close({ name: basename(file), started, notes: hints.found.map(describeHint) });
    hints.close();
  }
  warnOfEnd(file, reader, context);
}

/** A capture of another recorder does not say when it was made. */
function startOf(started: string | undefined): number {
  const time = Date.parse(started ?? "");
  return Number.isFinite(time) ? time : 0;
}
