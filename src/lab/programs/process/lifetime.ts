import type { ChildProcess } from "node:child_process";
import { resolveProgram } from "./programs.ts";

/** Children that still run. A child that we hold cannot be reaped behind our back: no pid reuse. */
const live = new Set<ChildProcess>();

/** The child is killed when this process exits in an orderly way. */
export function rememberProcess(child: ChildProcess): void {
  if (live.size === 0) process.on("exit", killAll);
  live.add(child);
}

/** The child is gone. */
export function forgetProcess(child: ChildProcess): void {
  live.delete(child);
  if (live.size === 0) process.off("exit", killAll);
}

/**
 * The command, run so that the kernel kills it when we die; also by SIGKILL, when no handler of
 * ours can run. `setpriv` (util-linux) sets that up and then becomes the command: same pid.
 */
export function dieWithUs(command: readonly string[]): readonly string[] {
  const setpriv = resolveProgram("setpriv");
  return setpriv === undefined ? command : [setpriv, "--pdeathsig", "KILL", "--", ...command];
}

function killAll(): void {
  for (const child of live) child.kill("SIGKILL");
}
