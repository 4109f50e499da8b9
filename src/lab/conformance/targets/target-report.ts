import { stripVTControlCharacters } from "node:util";
import { delay } from "../../../core/base/index.ts";
import { endText, type ProcessEnd, type Target, type TargetReport } from "./target.ts";

/** Lines of output in a message. */
const MESSAGE_LINES = 12;

/**
 * Waits for the target's processes, and returns what happened to them.
 *
 * @param waitMs how long a process of ours that is about to die may take
 */
export async function waitForReport(target: Target, waitMs: number): Promise<TargetReport> {
  const deadline = performance.now() + (target.restart ? waitMs : 0);
  while (target.process && target.process.end === undefined && performance.now() < deadline) {
    await delay(5);
  }
  return target.takeReport();
}

/** Formats a report for a message: how the processes ended, and the last of what they printed. */
export function reportText(
  ends: readonly ProcessEnd[],
  output: string,
  process: Target["process"],
): string {
  const how = ends.map(endText).join(", then ");
  const ended = how === "" ? process && "the process still runs" : `the process ${how}`;
  const lines = stripVTControlCharacters(output)
    .replaceAll(/(?![\n\t])\p{Cc}/gu, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-MESSAGE_LINES);
  if (lines.length === 0) return how === "" ? "" : `${ended}; it printed nothing`;
  return [`${ended ?? "the target"}; its last output:`, ...lines.map((line) => `  ${line}`)].join(
    "\n",
  );
}
