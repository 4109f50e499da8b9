import { readFileSync } from "node:fs";
import { counted } from "../../core/base/index.ts";
import { oneLine } from "../trace/index.ts";
import type { PageFailure, PageHead } from "./head.ts";
import { STYLE } from "./style.ts";

/** Facts that are known at the end of a trace. */
export interface TracePageEnd {
  /** Name of the trace, for example that of its capture. */
  readonly name: string;
  /** Time of day of its start, ISO 8601. */
  readonly started?: string | undefined;
  /** Lines above everything else, for example hints. */
  readonly notes?: readonly string[] | undefined;
}

/** The contents of a page. */
export interface PageContents extends TracePageEnd {
  readonly head: PageHead;
  readonly messages: number;
  /** The first failures. */
  readonly failures: readonly PageFailure[];
  readonly failureCount: number;
  /** Events that are not on the page. */
  readonly leftOut: number;
  /** The rows of each chunk. */
  readonly data: readonly string[];
}

/** Returns the page: what is wrong first, the script behind the first chunk, then the other chunks. */
export function* pageParts(contents: PageContents): Generator<string> {
  const { name, head, data } = contents;
  const title = `vhost-user trace: ${oneLine(name)}`;
  const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escape(title)}</h1>
<p>${facts(contents)}</p>
${notesPart(contents)}${failuresPart(contents)}</header>
<main>
${CONTROLS}
</main>
<noscript><p>Everything but the failures needs JavaScript.</p></noscript>
<script type="application/json" id="head">${json(head)}</script>
`;
  yield* data.slice(0, 1).map(chunkPart);
  yield `<script>${pageScript()}</script>\n`;
  yield* data.slice(1).map((text, i) => chunkPart(text, i + 1));
  yield "</body>\n</html>\n";
}

const CONTROLS = `<div class="tools">
<input type="search" id="words" placeholder="Search events" aria-label="Search events">
<button type="button" id="failed" aria-pressed="false">Failures only</button>
<button type="button" id="out" aria-label="Zoom out">−</button>
<button type="button" id="in" aria-label="Zoom in">+</button>
<span id="found" role="status"></span>
</div>
<div class="wide"><canvas id="timeline" tabindex="0" role="img" aria-label="Timeline of sockets and rings: arrow keys move through the events, plus and minus zoom"></canvas></div>
<label class="moment">Moment <input type="range" id="moment" min="0" value="0"> <output id="when"></output></label>
<div class="panes">
<section aria-label="Events"><div id="list" tabindex="0" role="listbox" aria-label="Events"><div id="space"></div></div><p id="event" aria-live="polite"></p></section>
<section aria-label="State at this moment"><h2>State at this moment</h2><pre id="state" tabindex="0"></pre></section>
</div>`;

function facts({ started, messages, head, failureCount, leftOut }: PageContents): string {
  const parts = [
    counted(messages, "message"),
    counted(head.rows, "event"),
    `${(head.endUs / 1e6).toFixed(3)} s`,
    failureCount === 0 ? "no failures" : counted(failureCount, "failure"),
    ...(leftOut === 0 ? [] : [`${counted(leftOut, "event")} left out: the page is full`]),
    ...(started === undefined ? [] : [oneLine(started)]),
  ];
  return escape(parts.join(", "));
}

function notesPart({ notes = [] }: PageContents): string {
  const items = notes.map((note) => `<li>${escape(oneLine(note))}</li>`);
  return items.length === 0 ? "" : `<ul class="notes">${items.join("\n")}</ul>\n`;
}

function failuresPart({ failures, failureCount }: PageContents): string {
  if (failureCount === 0) return "";
  const items = failures.map(
    ({ row, us, text }) => `<li><a href="#r${row}">${us} µs</a> ${escape(text)}</li>`,
  );
  const more = failureCount - failures.length;
  const rest = more === 0 ? "" : `<p>and ${more} more: see “Failures only”</p>\n`;
  return `<details open class="failures"><summary>${counted(failureCount, "failure")}</summary>
<ol>${items.join("\n")}</ol>
${rest}</details>\n`;
}

function chunkPart(text: string, index: number): string {
  return `<script type="text/plain" id="c${index}">${text}</script>\n`;
}

/** The script of the page, which the build makes of `browser/`. */
function pageScript(): string {
  return readFileSync(new URL("./page-script.js", import.meta.url), "utf8");
}

/** JSON that cannot end the element that it is in. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
