import { readdirSync, readFileSync } from "node:fs";

/** Linux counts processor time in these, a second has 100 on every architecture. */
const TICK_MS = 10;

/** What /proc has about a process. */
export interface ProcessFigures {
  /** Open descriptors. */
  readonly descriptors: number;
  /** Mappings. */
  readonly mappings: number;
  /** Those of them that are shared: of a back-end, its guests' memory. */
  readonly sharedMappings: number;
  /** Resident memory, bytes. */
  readonly residentBytes: number;
  /** Time on a processor or waiting for one, milliseconds: a machine under load makes it no idler. */
  readonly runnableMs: number;
}

/** Undefined: the process is gone, or another user's. */
export function processFigures(pid: number): ProcessFigures | undefined {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    const mappings = maps.split("\n").length - 1;
    const sharedMappings = (maps.match(/^\S+ ...s /gm) ?? []).length;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? "0";
    // The name is in parentheses and may hold anything; what follows is fields from the third on.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return {
      descriptors,
      mappings,
      sharedMappings,
      residentBytes: Number(resident) * 1024,
      // A kernel may keep no such figures, and threads that have ended are in the first only.
      runnableMs: Math.max(ticks * TICK_MS, threadsRunnableMs(pid)),
    };
  } catch {
    return undefined;
  }
}

function threadsRunnableMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      const [ran = 0, waited = 0] = text.split(" ").map(Number);
      nanoseconds += ran + waited;
    } catch {
      // It has ended meanwhile.
    }
  }
  return nanoseconds / 1e6;
}
