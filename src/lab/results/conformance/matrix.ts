import type { CaseResult } from "../model.ts";
import { attribute, escape } from "../xml.ts";
import { MATRIX_SCRIPT } from "./html-script.ts";
import { MATRIX_STYLE, PAGE_STYLE } from "./html-style.ts";
import type { ConformanceReport } from "./model.ts";
import { conformanceTotals } from "./text.ts";

/** One target of a matrix. */
export interface MatrixColumn {
  readonly name: string;
  readonly version?: string | undefined;
  /** The page of its report, beside the matrix; undefined if it was not judged. */
  readonly page?: string | undefined;
  readonly report?: ConformanceReport | undefined;
  /** The reason why the target was not judged. */
  readonly missing?: string | undefined;
  /** The target may be missing without a failure. */
  readonly optional?: true | undefined;
}

/** Returns a page that compares targets, check by check; each cell leads to the exchange behind it. */
export function conformanceMatrix(columns: readonly MatrixColumn[]): string {
  const rows = new Map<string, string>();
  for (const { report } of columns) {
    for (const { id, title } of report?.results ?? []) rows.set(id, title);
  }
  const heads = columns.map(
    ({ name, version }) =>
      `<th scope="col">${escape([name, version].filter(Boolean).join(" "))}</th>`,
  );
  const sums = columns.map(
    ({ report, missing }) =>
      `<td class="sum">${escape(report ? conformanceTotals(report) : `not judged: ${missing ?? ""}`)}</td>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vhost-user conformance matrix</title>
<style>${PAGE_STYLE}${MATRIX_STYLE}</style>
</head>
<body>
<h1>vhost-user conformance</h1>
<div class="filter" role="group" aria-label="Which checks are shown">
<input type="search" placeholder="Filter by id or words" aria-label="Filter by id or words">
<label><input type="checkbox"> only differences</label>
</div>
<div class="wrap"><table>
<thead><tr><th scope="col">check</th>${heads.join("")}</tr></thead>
<tbody>
<tr><th scope="row">sum</th>${sums.join("")}</tr>
${[...rows].map(([id, title]) => checkRow(id, title, columns)).join("\n")}
</tbody>
</table></div>
<script>${MATRIX_SCRIPT}</script>
</body>
</html>
`;
}

function checkRow(id: string, title: string, columns: readonly MatrixColumn[]): string {
  const results = columns.map(({ report }) => report?.results.find((each) => each.id === id));
  const verdicts = new Set(results.flatMap((result) => result?.verdict ?? []));
  const differs = verdicts.size > 1 ? " data-differs" : "";
  const cells = columns.map(({ page }, i) => cell(page, results[i]));
  return `<tr class="check"${differs}><th scope="row"><b>${escape(id)}</b>${escape(title)}</th>${cells.join("")}</tr>`;
}

function cell(page: string | undefined, result: CaseResult | undefined): string {
  if (result === undefined || page === undefined) return "<td></td>";
  const { id, verdict, reason = "" } = result;
  const link = `${page}#${encodeURIComponent(id)}`;
  const why =
    verdict === "PASS" || reason === ""
      ? ""
      : `<small>${escape(reason.split("\n")[0] ?? "")}</small>`;
  return `<td><a class="v ${verdict}" href="${attribute(link)}" title="${attribute(reason)}">${verdict}</a>${why}</td>`;
}
