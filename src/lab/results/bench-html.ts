import type { BenchReport } from "./bench-model.ts";
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
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>vhost-user bench ${escape(bench)}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:1rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #ddd;padding:.2rem .5rem;vertical-align:top;overflow-wrap:anywhere}
svg{width:100%;height:auto}text{font:11px system-ui,sans-serif;fill:#444}.warning{background:#fff3cd;padding:.5rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}td{border-color:#444}text{fill:#bbb}.warning{background:#443a10}}
</style></head><body>
<h1>vhost-user bench ${escape(bench)}</h1>
<p>${escape(target)}</p>
${benchLines(report)
  .map((line) => `<p><strong>${escape(line)}</strong></p>`)
  .join("\n")}
${warnings.map((warning) => `<p class="warning">${escape(warning)}</p>`).join("\n")}
${charts.filter((each) => each !== false).join("\n")}
<h2>Options</h2>${table(options)}
<h2>Environment</h2>${table(environment)}
</body></html>
`;
}

function table(rows: Readonly<Record<string, string | number | boolean>>): string {
  const cells = Object.entries(rows).map(
    ([name, value]) => `<tr><td>${escape(name)}</td><td>${escape(String(value))}</td></tr>`,
  );
  return `<table>${cells.join("")}</table>`;
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

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
