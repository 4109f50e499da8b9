import { readdirSync, readFileSync } from "node:fs";

/** More children than this are not looked for: a program under test may start any number. */
const MAX_DESCENDANTS = 256;

/** Children of a process, their children and so on, as far as they can be seen; not the process itself. */
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

/** Of all its threads, as each may start some. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
        .split(" ")
        .filter((text) => /^\d+$/.test(text))
        .map(Number),
    );
  } catch {
    // It is gone, or the kernel has no such list.
    return [];
  }
}
