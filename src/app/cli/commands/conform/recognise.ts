import { basename } from "node:path";
import { ManagedProcess } from "../../../../lab/programs/index.ts";
import { splitWords, within } from "../../../../lab/conformance/index.ts";
import { type ShippedBaseline, shippedBaselines } from "./shipped-baselines.ts";

/** A program that does not print its version within this time, milliseconds, is not recognised. */
const VERSION_MS = 5000;

/**
 * The shipped baseline of the program that a command starts: its first word, behind `env` and variables.
 * A program whose base name a baseline names is started once more, with `--version`, and the first line
 * that it prints decides.
 *
 * What a shell or another wrapper starts, what listens already, and a program that is called by another
 * name or does not print its version is not recognised: `--baseline NAME` names its baseline.
 */
export async function recognise(
  command: string | undefined,
  shell: boolean,
): Promise<ShippedBaseline | undefined> {
  if (command === undefined || shell) return undefined;
  const words = splitWords(command);
  const shipped = shippedBaselines();
  const at = words.findIndex((word) => basename(word) !== "env" && !/^\w+=/.test(word));
  const program = basename(words[at] ?? "");
  const candidates = shipped.filter(({ baseline }) => baseline.target?.program === program);
  if (candidates.length === 0) return undefined;
  const line = await versionLine(words.slice(0, at + 1));
  return candidates.find(({ baseline: { target } }) => target && isVersion(line, target.version));
}

/**
 * Returns whether a line such as `virtiofsd version 7.2.22 (Debian …)` says that version or a later
 * patch of it.
 */
export function isVersion(line: string, version: string): boolean {
  const [said = ""] = /(?<![\w.])\d+(?:\.\d+)+/.exec(line) ?? [];
  return said === version || said.startsWith(`${version}.`);
}

async function versionLine([program = "", ...words]: readonly string[]): Promise<string> {
  try {
    await using running = await ManagedProcess.spawn(program, [...words, "--version"]);
    await within(running.exited, VERSION_MS);
    return running.exit?.code === 0 ? (running.output.split("\n", 1)[0] ?? "") : "";
  } catch {
    // That it cannot be started is for the run itself to find.
    return "";
  }
}
