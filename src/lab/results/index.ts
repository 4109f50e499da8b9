/**
 * report: one model of results, and the forms it is given: text, JUnit; JSON is the model itself.
 */
export * from "./bench-html.ts";
export * from "./bench-model.ts";
export * from "./bench-text.ts";
export * from "./junit.ts";
export * from "./model.ts";
export * from "./text.ts";
export * from "./conformance/html.ts";
export * from "./conformance/junit.ts";
export * from "./conformance/markdown.ts";
export * from "./conformance/matrix.ts";
export * from "./conformance/merge.ts";
export * from "./conformance/model.ts";
export * from "./conformance/text.ts";
