import { join } from "node:path";
import {
  conformanceHtml,
  conformanceJunit,
  conformanceLines,
  conformanceMarkdown,
  type ConformanceReport,
  type FailOn,
} from "../../../../lab/results/index.ts";
import { makeUserFolder, saveUserFile } from "../../files.ts";

/** The paths of the reports. */
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
    if (file !== undefined) saveUserFile(file, "", true);
  }
  if (keep !== undefined) makeUserFolder(keep);
}

/** Writes the reports that were asked for; JUnit XML calls a failure what fails the run. */
export function writeReports(report: ConformanceReport, files: ReportFiles, failOn: FailOn): void {
  const { jsonFile, junit, markdown, html, keep } = files;
  if (jsonFile !== undefined) saveUserFile(jsonFile, `${JSON.stringify(report, null, 2)}\n`, true);
  if (junit !== undefined) saveUserFile(junit, conformanceJunit(report, failOn), true);
  if (markdown !== undefined) saveUserFile(markdown, conformanceMarkdown(report), true);
  if (html !== undefined) saveUserFile(html, conformanceHtml(report), true);
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
    const path = join(folder, `${result.id.replaceAll("/", "-")}.txt`);
    saveUserFile(path, `${lines.join("\n")}\n`, true);
  }
}
