/**
 * results: one model for the results of all cases, and the texts, pages and documents made from it.
 */
export * from "./bench-comparison.ts";
export { comparisonHtml } from "./bench-comparison-html.ts";
export { comparisonLines } from "./bench-comparison-text.ts";
export * from "./bench-html.ts";
export * from "./bench-model.ts";
export { benchLines, findRegression, workloadDifferences } from "./bench-text.ts";
export { DECIDING } from "./conformance/decisive.ts";
export * from "./conformance/html.ts";
export * from "./conformance/junit.ts";
export * from "./conformance/markdown.ts";
export * from "./conformance/matrix.ts";
export * from "./conformance/merge.ts";
export * from "./conformance/model.ts";
export * from "./conformance/text.ts";
export * from "./model.ts";
export { median } from "./statistics.ts";
export * from "./test-report.ts";
export * from "./text.ts";
export * from "./verdict.ts";
