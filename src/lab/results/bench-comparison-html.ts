import type { BenchComparison } from "./bench-comparison.ts";
import { comparisonRows, comparisonTitle } from "./bench-comparison-text.ts";
import { benchPage, escapeHtml, settingsHtml, tableHtml, warningsHtml } from "./bench-page.ts";
import { group } from "./bench-text.ts";

const [WIDTH, ROW, LEFT, RIGHT] = [720, 34, 24, 60];

/** One self-contained page: the table, a chart of every run, the rates, the environment. */
export function comparisonHtml(comparison: BenchComparison): string {
  const { bench, partial, endedBy = "the run ended early", options, environment } = comparison;
  const { targets, unit, warnings } = comparison;
  const [header = [], ...rows] = comparisonRows(comparison);
  const numbered = rows.map((row, i) => [i + 1, ...row]);
  const rounds = Math.max(...targets.map(({ rates }) => rates.length));
  const runs = Array.from({ length: rounds }, (_, round) => [
    round + 1,
    ...targets.map(({ rates }) => {
      const rate = rates[round];
      return rate === undefined ? "-" : group(rate);
    }),
  ]);
  const body = [
    `<p><strong>${escapeHtml(comparisonTitle(comparison))}</strong></p>`,
    partial ? `<p><strong>partial result: ${escapeHtml(endedBy)}</strong></p>` : "",
    tableHtml(numbered, ["", ...header]),
    warningsHtml(warnings),
    chart(comparison),
    `<h2>${escapeHtml(unit)} of each run</h2>`,
    tableHtml(runs, ["run", ...targets.map((_, i) => `target ${i + 1}`)]),
    settingsHtml(options, environment),
  ];
  return benchPage(bench, body.filter((part) => part !== "").join("\n"));
}

/** One row for each target: a point for each run, a bar between the quartiles, a line at the median. */
function chart({ targets, unit }: BenchComparison): string {
  const rates = targets.flatMap((target) => target.rates);
  const most = Math.max(...rates) || 1;
  const x = (rate: number): string => (LEFT + ((WIDTH - LEFT - RIGHT) * rate) / most).toFixed(1);
  const height = ROW * targets.length + 20;
  const rows = targets.map((target, i) => {
    const y = ROW * i + ROW / 2;
    const [low, high] = target.quartiles ?? [];
    const line = (from: number, to: number, up: number, width: number): string =>
      `<line x1="${x(from)}" x2="${x(to)}" y1="${y - up}" y2="${y + up}" stroke="#2563eb" stroke-width="${width}"/>`;
    return [
      `<text x="4" y="${y + 4}">${i + 1}</text>`,
      low === undefined || high === undefined ? "" : line(low, high, 0, 3),
      target.median === undefined ? "" : line(target.median, target.median, 9, 3),
      ...target.rates.map(
        (rate) => `<circle cx="${x(rate)}" cy="${y}" r="3.5" fill="#2563eb" fill-opacity=".45"/>`,
      ),
    ].join("");
  });
  const title = `${escapeHtml(unit)} by target`;
  return `<h2>${title}</h2><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
${rows.join("\n")}
<text x="${x(0)}" y="${height - 4}">0</text><text x="${x(most)}" y="${height - 4}" text-anchor="middle">${group(most)}</text></svg>`;
}
