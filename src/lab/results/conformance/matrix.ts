import { attribute, escape } from "../xml.ts";
import { PAGE_STYLE } from "./html-parts.ts";
import type { ConformanceReport } from "./model.ts";
import { conformanceTotals } from "./text.ts";

/** One target of a matrix. */
export interface MatrixColumn {
  readonly name: string;
  readonly version?: string | undefined;
  /** The page of its report, beside the matrix; undefined: it was not judged. */
  readonly page?: string | undefined;
  readonly report?: ConformanceReport | undefined;
  /** Why it was not judged. */
  readonly missing?: string | undefined;
  /** It may be missing: that is no failure. */
  readonly optional?: true | undefined;
}

const MATRIX_STYLE = `
body{max-width:none}table{border-collapse:collapse}th,td{border:1px solid var(--line);padding:.15rem .4rem;text-align:left}
thead th{position:sticky;top:0;background:Canvas}td.cell{text-align:center}td.sum{white-space:pre-wrap;vertical-align:top}.wrap{overflow-x:auto}
`;

/** Checks by targets; each cell leads to the exchange behind it. */
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
      `<td class="sum">${escape(report ? conformanceTotals(report.counts) : `not judged: ${missing ?? ""}`)}</td>`,
  );
  const lines = [...rows].map(
    ([id, title]) =>
      `<tr><th scope="row">${escape(id)}</th><td>${escape(title)}</td>` +
      `${columns.map((column) => cell(column, id)).join("")}</tr>`,
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
<div class="wrap"><table>
<thead><tr><th scope="col">check</th><th scope="col">what must hold</th>${heads.join("")}</tr></thead>
<tbody>
<tr><th scope="row">sum</th><td></td>${sums.join("")}</tr>
${lines.join("\n")}
</tbody>
</table></div>
</body>
</html>
`;
}

function cell({ report, page }: MatrixColumn, id: string): string {
  const result = report?.results.find((each) => each.id === id);
  if (result === undefined || page === undefined) return `<td class="cell"></td>`;
  const { verdict, reason = "" } = result;
  const link = `${page}#${encodeURIComponent(id)}`;
  return `<td class="cell"><a class="v ${verdict}" href="${attribute(link)}" title="${attribute(reason)}">${verdict}</a></td>`;
}
