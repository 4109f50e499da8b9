import { attribute, escape } from "../xml.ts";
import { PAGE_SCRIPT, PAGE_STYLE } from "./html-parts.ts";
import { byChapter, type CaseResult, type GroupResult } from "../model.ts";
import { VERDICTS } from "../verdict.ts";
import type { ConformanceReport } from "./model.ts";
import { conformanceTotals } from "./text.ts";

/** One file with everything in it: no network, no other files; readable without its script. */
export function conformanceHtml(report: ConformanceReport): string {
  const { target, results, counts, startedAt, tool, seed, durationMs } = report;
  const title = `vhost-user conformance: ${target.device ?? "unknown device"}`;
  const buttons = VERDICTS.filter((verdict) => counts[verdict] > 0).map(
    (verdict) =>
      `<button type="button" class="v ${verdict}" data-verdict="${verdict}" aria-pressed="true">` +
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
<p>${escape(conformanceTotals(counts))}; ${(durationMs / 1000).toFixed(1)} s, ${escape(startedAt)}, vhost-user ${escape(tool.version)}, seed ${seed}.</p>
${featuresLine(report)}
<div class="filter" role="group" aria-label="Verdicts that are shown">
${buttons.join("\n")}
<input type="search" placeholder="Filter by id or words" aria-label="Filter by id or words">
</div>
</header>
<main>
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

function chapterPart({ name, results }: GroupResult): string {
  return `<section>
<h2 id="${attribute(name)}">${escape(name)}</h2>
${results.map(checkPart).join("\n")}
</section>`;
}

function checkPart(result: CaseResult): string {
  const { id, title, verdict, strength, section, reason, findings, values } = result;
  const found = findings.map(({ message, expected, actual }) =>
    row(escape(message), [
      expected === undefined ? "" : `<b>expected</b> ${escape(expected)}`,
      actual === undefined ? "" : `<b>actual</b> ${escape(actual)}`,
    ]),
  );
  const facts = [
    row("must hold", [escape(`${strength ?? "-"}, ${section ?? ""}`)]),
    ...(found.length > 0 || reason === undefined ? found : [row("why", [escape(reason)])]),
    ...(values.length > 0 ? [row("recorded", values.map(escape))] : []),
    row("duration", [`${result.durationMs} ms`]),
    row("again", [`<code>${escape(result.repeat ?? "")}</code>`]),
  ];
  return `<details class="check" id="${attribute(id)}" data-verdict="${verdict}">
<summary><span class="v ${verdict}">${verdict}</span> <a href="#${attribute(id)}">${escape(id)}</a> ${escape(title)}</summary>
<dl>${facts.join("")}</dl>
${block("exchange", result.exchange.join("\n"))}${block("what the target printed", result.output ?? "")}</details>`;
}

function row(term: string, texts: readonly string[]): string {
  const shown = texts.filter((text) => text !== "").join("<br>");
  return `<dt>${term}</dt><dd>${shown}</dd>`;
}

function block(name: string, text: string): string {
  return text === "" ? "" : `<h3>${name}</h3>\n<pre>${escape(text)}</pre>\n`;
}
