import { counted } from "../../../core/base/index.ts";
import { byChapter, type CaseResult, type GroupResult } from "../model.ts";
import { countVerdicts, isFailure, type VerdictCounts, VERDICTS } from "../verdict.ts";
import { attribute, escape } from "../xml.ts";
import { decisiveLines } from "./decisive.ts";
import { PAGE_SCRIPT } from "./html-script.ts";
import { PAGE_STYLE } from "./html-style.ts";
import type { ConformanceReport } from "./model.ts";
import { specificationLinks } from "./specification.ts";
import { conformanceTotals } from "./text.ts";

/**
 * Returns the report as one HTML page that loads nothing from a network and is readable without its
 * script. Failures come first, and are open.
 */
export function conformanceHtml(report: ConformanceReport): string {
  const { target, results, counts, startedAt, tool, seed, durationMs } = report;
  const title = `vhost-user conformance: ${target.device ?? "unknown device"}`;
  const failures = results.filter(({ verdict }) => isFailure(verdict));
  const buttons = VERDICTS.filter((verdict) => counts[verdict] > 0).map(
    (verdict) =>
      `<button type="button" class="v ${verdict}" data-verdict="${verdict}" aria-pressed="false">` +
      `${verdict} ${counts[verdict]}</button>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>${escape(title)}</h1>
<p class="target"><code>${escape(target.name)}</code></p>
<p>${escape(conformanceTotals(report))}; ${(durationMs / 1000).toFixed(1)} s, ${escape(startedAt)}, vhost-user ${escape(tool.version)}, seed ${seed}.</p>
${featuresLine(report)}
<div class="filter" role="group" aria-label="Show only checks with this verdict">
${buttons.join("\n")}
<input type="search" placeholder="Filter by id or words" aria-label="Filter by id or words">
</div>
</header>
<main>
${failures.length === 0 ? "" : section("failures", "Failures", failures)}
${byChapter(results).map(chapterPart).join("\n")}
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function featuresLine({ target: { virtioFeatures, protocolFeatures } }: ConformanceReport): string {
  if (virtioFeatures === null) return "";
  return `<p>Virtio features ${escape(virtioFeatures)}, protocol features ${escape(protocolFeatures ?? "0x0")}.</p>`;
}

/** A chapter counts all its checks; those that failed are at the top of the page. */
function chapterPart({ name, results }: GroupResult): string {
  const rest = results.filter(({ verdict }) => !isFailure(verdict));
  return section(name, name, rest, countsPart(countVerdicts(results)));
}

function section(id: string, name: string, results: readonly CaseResult[], counts = ""): string {
  return `<section>
<h2 id="${attribute(id)}">${escape(name)}${counts}</h2>
${results.map(checkPart).join("\n")}
</section>`;
}

function countsPart(counts: VerdictCounts): string {
  const parts = VERDICTS.filter((verdict) => counts[verdict] > 0).map(
    (verdict) => `<span class="${verdict}">${counts[verdict]} ${verdict}</span>`,
  );
  return ` <span class="counts">${parts.join(", ")}</span>`;
}

function checkPart(result: CaseResult): string {
  const { id, title, verdict, strength = "", durationMs } = result;
  const open = isFailure(verdict) ? " open" : "";
  return `<details class="check" id="${attribute(id)}" data-verdict="${verdict}"${open}>
<summary><span class="v ${verdict}">${verdict}</span> <a href="#${attribute(id)}">${escape(id)}</a> ${escape(title)} <span class="row">${strength} ${durationMs} ms</span></summary>
${factsPart(result)}${exchangePart(result)}</details>`;
}

function factsPart(result: CaseResult): string {
  const { section: heading = "", reason, findings, values, repeat } = result;
  const found = findings.map(({ message, expected, actual }) =>
    row(escape(message), [
      expected === undefined ? "" : `<b>expected</b> ${escape(expected)}`,
      actual === undefined ? "" : `<b>actual</b> ${escape(actual)}`,
    ]),
  );
  const facts = [
    ...(heading === "" ? [] : [row("specification", [specificationLinks(heading)])]),
    ...(found.length > 0 || reason === undefined ? found : [row("why", [escape(reason)])]),
    ...(values.length > 0 ? [row("recorded", values.map(escape))] : []),
    ...(repeat === undefined ? [] : [row("again", [`<code>${escape(repeat)}</code>`])]),
  ];
  return `<dl>${facts.join("")}</dl>\n`;
}

/** The decisive messages; the whole exchange and the output of the target are folded. */
function exchangePart({ exchange, output = "", verdict }: CaseResult): string {
  const decisive = isFailure(verdict, "warn") ? decisiveLines(exchange, new Set()) : [];
  const isAll = decisive.length === exchange.length;
  const whole = isAll
    ? ""
    : fold(`exchange, ${counted(exchange.length, "line")}`, exchange.join("\n"));
  return lines(decisive) + whole + fold("output of the target", output);
}

function row(term: string, texts: readonly string[]): string {
  const shown = texts.filter((text) => text !== "").join("<br>");
  return `<dt>${term}</dt><dd>${shown}</dd>`;
}

function lines(texts: readonly string[]): string {
  return texts.length === 0 ? "" : `<pre>${escape(texts.join("\n"))}</pre>\n`;
}

function fold(name: string, text: string): string {
  if (text === "") return "";
  return `<details class="fold"><summary>${name}</summary>\n<pre>${escape(text)}</pre>\n</details>\n`;
}
