import { readdirSync, readFileSync } from "node:fs";

/** The unit in which Linux counts processor time: 1/100 s on every architecture. */
const TICK_MS = 10;

/** The figures of a process in /proc. */
export interface ProcessFigures {
  /** Number of open descriptors. */
  readonly descriptors: number;
  /** Number of mappings. */
  readonly mappings: number;
  /** Number of shared mappings; in a back-end these are its guests' memory. */
  readonly sharedMappings: number;
  /** Resident memory, bytes. */
  readonly residentBytes: number;
  /**
   * Time on a processor or waiting for one, milliseconds. Waiting counts, so that load on the
   * machine does not make the process look idle.
   */
  readonly runnableMs: number;
}

/** Reads the figures of a process; undefined if it has ended, or belongs to another user. */
export function processFigures(pid: number): ProcessFigures | undefined {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    const mappings = maps.split("\n").length - 1;
    const sharedMappings = (maps.match(/^\S+ ...s /gm) ?? []).length;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? "0";
    // The name is in parentheses and may contain any characters; behind it are the fields from the
    // third on.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return {
      descriptors,
      mappings,
      sharedMappings,
      residentBytes: Number(resident) * 1024,
      // A kernel may not keep these figures, and only the first one includes threads that have
      // ended.
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
      // The process has ended meanwhile.
    }
  }
  return nanoseconds / 1e6;
}
