import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  conformanceHtml,
  conformanceJunit,
  conformanceLines,
  conformanceMarkdown,
  type ConformanceReport,
} from "../../../report/index.ts";

/** Where reports are written to. */
export interface ReportFiles {
  readonly jsonFile?: string | undefined;
  readonly junit?: string | undefined;
  readonly markdown?: string | undefined;
  readonly html?: string | undefined;
  /** A folder for the exchanges of what did not pass. */
  readonly keep?: string | undefined;
}

/** A place that cannot be written to is better found out before than after. */
export function prepareReports({ keep, jsonFile, junit, markdown, html }: ReportFiles): void {
  for (const file of [jsonFile, junit, markdown, html]) {
    if (file !== undefined) writeFileSync(file, "");
  }
  if (keep !== undefined) mkdirSync(keep, { recursive: true });
}

/** @param strict whether WARN is a failure in JUnit's eyes */
export function writeReports(report: ConformanceReport, files: ReportFiles, strict: boolean): void {
  const { jsonFile, junit, markdown, html, keep } = files;
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  if (junit !== undefined) writeFileSync(junit, conformanceJunit(report, strict));
  if (markdown !== undefined) writeFileSync(markdown, conformanceMarkdown(report));
  if (html !== undefined) writeFileSync(html, conformanceHtml(report));
  if (keep !== undefined) keepExchanges(report, keep);
}

/** A file for each check that did not pass, as a terminal would show it, and in full. */
function keepExchanges({ results }: ConformanceReport, folder: string): void {
  for (const result of results) {
    if (result.verdict === "PASS" || result.verdict === "SKIP") continue;
    const lines = [
      ...conformanceLines({ ...result, exchange: [], output: undefined }),
      "",
      ...result.exchange,
      "",
      result.output ?? "",
    ];
    writeFileSync(join(folder, `${result.id.replaceAll("/", "-")}.txt`), `${lines.join("\n")}\n`);
  }
}
