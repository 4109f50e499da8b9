import { readFileSync } from "node:fs";

/** `pid 12 (qemu-storage-daemon)`; the name is left out where it cannot be read. */
export function describeProcess(pid: number): string {
  const name = processName(pid);
  return name === undefined ? `pid ${pid}` : `pid ${pid} (${name})`;
}

/** What a process runs: the file name of its program, else the kernel's 15 letters of it. */
export function processName(pid: number): string | undefined {
  try {
    const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const name = program.slice(program.lastIndexOf("/") + 1);
    return name === "" ? readFileSync(`/proc/${pid}/comm`, "utf8").trim() : name;
  } catch {
    return undefined;
  }
}

/** The user whose files this process makes. */
export function effectiveUserId(): number | undefined {
  return process.geteuid?.();
}
