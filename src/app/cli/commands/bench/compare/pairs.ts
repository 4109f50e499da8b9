import { readFileSync } from "node:fs";
import { CommandError, ExitCode } from "../../../exit-code.ts";

/** One measurement: more is better, whatever the unit. */
export type Sampler = () => Promise<number>;

export interface Comparison {
  /** Ours divided by theirs, of each pair. */
  readonly ratios: readonly number[];
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Samples that were measured again, because other machines took processor time. */
  readonly repeated: number;
}

/** Steal above this share makes a sample worthless. */
const MAX_STEAL = 0.02;
const MAX_REPEATS = 5;

/** Measures both in turns, and who is first changes from pair to pair: what drifts, drifts for both. */
export async function compare(
  ours: Sampler,
  theirs: Sampler,
  pairs: number,
  onSample: (pair: number, side: "ours" | "theirs") => void,
): Promise<Comparison> {
  const result = {
    ratios: [] as number[],
    ours: [] as number[],
    theirs: [] as number[],
    repeated: 0,
  };
  const take = async (sampler: Sampler, pair: number): Promise<number> => {
    onSample(pair + 1, sampler === ours ? "ours" : "theirs");
    for (let attempt = 0; ; attempt += 1) {
      const before = readTicks();
      const value = await sampler();
      const after = readTicks();
      if (!(value > 0 && value < Infinity))
        throw new CommandError(
          ExitCode.Failed,
          `nothing was measured: the sample is ${value} and must be above 0; give it longer with --runtime`,
        );
      const share = (after.steal - before.steal) / Math.max(1, after.all - before.all);
      if (share <= MAX_STEAL || attempt === MAX_REPEATS) return value;
      result.repeated += 1;
    }
  };
  for (let pair = 0; pair < pairs; pair += 1) {
    const oursFirst = pair % 2 === 0;
    const first = await take(oursFirst ? ours : theirs, pair);
    const second = await take(oursFirst ? theirs : ours, pair);
    const [mine, other] = oursFirst ? [first, second] : [second, first];
    result.ours.push(mine);
    result.theirs.push(other);
    result.ratios.push(mine / other);
  }
  return result;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function readTicks(): { steal: number; all: number } {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { steal: fields[7] ?? 0, all: fields.reduce((sum, ticks) => sum + ticks, 0) };
}
