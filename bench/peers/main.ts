/**
 * Our programs against others that do the same, in turns and on processors of their own; see
 * docs/performance.md for what came out.
 *
 *     node dist/bench/peers/main.js [--pairs 11] [--seconds 2] [--rows TEXT] [--json FILE]
 *
 * Programs that are not installed are named and left out.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { blockRows } from "./block-rows.ts";
import { latencyRows } from "./latency-rows.ts";
import { netRows } from "./net-rows.ts";
import { compare, type Comparison, geometricMean, median } from "./pairs.ts";
import { Missing } from "./programs.ts";
import type { Row } from "./row.ts";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "11" },
    seconds: { type: "string", default: "2" },
    rows: { type: "string", default: "" },
    json: { type: "string" },
  },
});
const timing = { seconds: Number(values.seconds), warmUpSeconds: 0.5 };

interface CellResult extends Comparison {
  readonly row: string;
  readonly cell: string;
}

const results: CellResult[] = [];
for (const row of [...blockRows(), ...netRows(), ...latencyRows()]) {
  if (!`${row.name} ${row.against}`.includes(values.rows)) continue;
  await measure(row);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, null, 1));
}

async function measure(row: Row): Promise<void> {
  console.log(`\n${row.name}\n  against ${row.against}; ${row.unit}`);
  const medians: number[] = [];
  for (const cell of row.cells) {
    try {
      const { ours, theirs, end } = await cell.setUp(timing);
      let result: Comparison;
      try {
        result = await compare(ours, theirs, Number(values.pairs));
      } finally {
        await end();
      }
      results.push({ row: row.name, cell: cell.name, ...result });
      medians.push(median(result.ratios));
      console.log(line(cell.name, result));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      console.log(`  ${cell.name}: left out, ${error.message}`);
    }
  }
  if (medians.length === 0) return;
  const mean = geometricMean(medians);
  const least = Math.min(...medians);
  const met = mean >= row.target && least >= (row.cellTarget ?? row.target);
  console.log(
    `  ${met ? "met" : "missed"}: mean ${mean.toFixed(2)} (wanted ${row.target}), ` +
      `least ${least.toFixed(2)} (wanted ${row.cellTarget ?? row.target})`,
  );
}

function line(name: string, { ratios, ours, theirs, repeated }: CellResult | Comparison): string {
  const number = (value: number): string => Math.round(value).toLocaleString("en-US");
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return (
    `  ${name.padEnd(10)} ${median(ratios).toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})  ` +
    `ours ${number(median(ours))}, theirs ${number(median(theirs))}` +
    (repeated > 0 ? `, ${repeated} samples repeated for steal` : "")
  );
}
