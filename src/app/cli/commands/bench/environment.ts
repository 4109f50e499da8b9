import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { formatSize } from "../../units.ts";
import { version } from "../../version.ts";

/** Describes the machine and versions that a result depends on. */
export function describeEnvironment(): Record<string, string> {
  return {
    "vhost-user": version(),
    node: process.version,
    kernel: release(),
    cpu: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}`,
    governor: readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") ?? "unknown",
    memory: formatSize(totalmem()),
    command: process.argv.slice(2).join(" "),
    date: new Date().toISOString(),
  };
}

/** Looks for what makes a measurement worthless: taken at its start, asked at its end. */
export class Disturbances {
  readonly #steal = stealTicks();
  readonly #throttled = throttleCount();

  /** One sentence each. */
  warnings(): string[] {
    const found: string[] = [];
    const before = this.#steal;
    const now = stealTicks();
    const all = now.all - before.all;
    const stolen = all > 0 ? ((now.steal - before.steal) / all) * 100 : 0;
    if (stolen > 2)
      found.push(`other machines took ${stolen.toFixed(1)} % of the processors' time (steal)`);
    if (throttleCount() > this.#throttled) found.push("the processors were throttled for heat");
    if (availableParallelism() < 2)
      found.push("there is one processor: load and back-end took turns on it");
    return found;
  }
}

function stealTicks(): { steal: number; all: number } {
  const fields = (readLine("/proc/stat") ?? "").trim().split(/\s+/).slice(1, 9).map(Number);
  return { steal: fields[7] ?? 0, all: fields.reduce((sum, ticks) => sum + ticks, 0) };
}

function throttleCount(): number {
  return Number(readLine("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count") ?? 0);
}

/** The first line; undefined where this system does not have the file. */
function readLine(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").split("\n", 1)[0];
  } catch {
    return undefined;
  }
}
