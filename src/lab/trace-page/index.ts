/**
 * trace-page: a trace as one HTML page that works offline. {@link TracePage} takes events and writes
 * the page; the scripts below `browser/` run in it.
 */
export type { TracePageEnd } from "./page.ts";
export { TracePage } from "./trace-page.ts";
