import type { BenchReport } from "./bench-model.ts";
import { benchPage, escapeHtml, settingsHtml, warningsHtml } from "./bench-page.ts";
import { benchLines } from "./bench-text.ts";

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [720, 260, 64, 28];

/** One self-contained page: the result, the percentile curve, the course of time, the environment. */
export function benchHtml(report: BenchReport): string {
  const {
    bench,
    target,
    percentiles = [],
    perSecond,
    seconds,
    environment,
    options,
    warnings,
  } = report;
  const curve = percentiles.map(([, us]) => us);
  const labels = percentiles.map(([percentile]) => `p${percentile}`);
  const charts = [
    curve.length > 1 && chart("Latency by percentile, µs", curve, labels, true),
    perSecond.length > 1 &&
      chart(
        "Completions in each second",
        perSecond,
        perSecond.map((_, i) => `${Number(Math.min(i + 1, seconds).toFixed(1))} s`),
        false,
      ),
  ];
  const body = `<p>${escapeHtml(target)}</p>
${benchLines(report)
  .map((line) => `<p><strong>${escapeHtml(line)}</strong></p>`)
  .join("\n")}
${warningsHtml(warnings)}
${charts.filter((each) => each !== false).join("\n")}
${settingsHtml(options, environment)}`;
  return benchPage(bench, body);
}

/** A line over evenly spaced points. */
function chart(
  title: string,
  values: readonly number[],
  labels: readonly string[],
  logarithmic: boolean,
): string {
  const scale = (value: number): number => (logarithmic ? Math.log10(Math.max(value, 0.1)) : value);
  const top = Math.max(...values.map(scale));
  const floor = logarithmic ? Math.min(...values.map(scale)) : 0;
  const x = (i: number): number =>
    LEFT + ((WIDTH - LEFT - 16) * i) / Math.max(1, values.length - 1);
  const y = (value: number): number =>
    HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - 16) * (scale(value) - floor)) / (top - floor || 1);
  const points = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const every = Math.ceil(labels.length / 10);
  const names = labels.map((label, i) =>
    i % every === 0 || i === labels.length - 1
      ? `<text x="${x(i)}" y="${HEIGHT - 8}" text-anchor="middle">${label}</text>`
      : "",
  );
  const marks = [Math.min(...values), Math.max(...values)].map(
    (value) =>
      `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${Number(value.toPrecision(4))}</text>`,
  );
  return `<h2>${title}</h2><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<polyline points="${points}" fill="none" stroke="#2563eb" stroke-width="2"/>${names.join("")}${marks.join("")}</svg>`;
}
