import { readFileSync } from "node:fs";

/** Describes a process: `pid 12 (qemu-storage-daemon)`, without the name if it cannot be read. */
export function describeProcess(pid: number): string {
  const name = processName(pid);
  return name === undefined ? `pid ${pid}` : `pid ${pid} (${name})`;
}

/**
 * Returns the file name of a process's program, or else the 15 letters of it that the kernel keeps.
 */
export function processName(pid: number): string | undefined {
  try {
    const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const name = program.slice(program.lastIndexOf("/") + 1);
    return name === "" ? readFileSync(`/proc/${pid}/comm`, "utf8").trim() : name;
  } catch {
    return undefined;
  }
}

/** Returns the user id that owns the files which this process creates. */
export function effectiveUserId(): number | undefined {
  return process.geteuid?.();
}
