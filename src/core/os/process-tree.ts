import { readdirSync, readFileSync } from "node:fs";

/** The limit on children that are looked for: a program under test may start any number. */
const MAX_DESCENDANTS = 256;

/** Returns the descendants of a process that are visible, without the process itself. */
export function descendants(pid: number): number[] {
  const found: number[] = [];
  for (let next: number | undefined = pid, i = 0; next !== undefined; next = found[i++]) {
    for (const child of childrenOf(next)) {
      if (found.length >= MAX_DESCENDANTS) return found;
      found.push(child);
    }
  }
  return found;
}

/** Returns the children of all threads of a process, as each thread may start some. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
        .split(" ")
        .filter((text) => /^\d+$/.test(text))
        .map(Number),
    );
  } catch {
    // The process has ended, or the kernel has no such list.
    return [];
  }
}
