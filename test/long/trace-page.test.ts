import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { TracePage } from "../../src/lab/trace-page/index.ts";
import { TraceReader } from "../../src/lab/trace/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { longTrace } from "../support/long-trace.ts";
import { findChromium, Page } from "../programs/support/chromium.ts";
import { needsChromium, temporaryDirectory } from "../programs/support/index.ts";

guardLeaks();

/** Collects tasks of more than 50 ms, and knows when the first events and their state are shown. */
const WATCH = `
window.longest = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
}).observe({ type: "longtask", buffered: true });
`;
const FIRST_VIEW = `new Promise((done) => {
  const look = () => {
    const [mark] = performance.getEntriesByName("first-view");
    if (mark === undefined) setTimeout(look, 10); else done(mark.startTime);
  };
  look();
})`;
const SEARCH = `new Promise((done) => {
  const started = performance.now();
  words.value = "8 sectors: ioerr";
  words.dispatchEvent(new Event("input"));
  const look = () => {
    if (/found$/.test(found.textContent)) done([found.textContent, performance.now() - started]);
    else setTimeout(look, 10);
  };
  look();
})`;

test(
  "a page of 100,000 messages and 1,000,000 ring events is shown within 3 s, and no task takes 200 ms",
  { skip: needsChromium() },
  async (t) => {
    const folder = temporaryDirectory(t);
    const file = join(folder, "trace.html");
    const reader = new TraceReader();
    const made = new TracePage();
    for (const line of longTrace({ messages: 100_000, chains: 500_000 })) {
      for (const { event, state } of reader.line(line)) made.event(event, state);
    }
    let bytes = 0;
    for (const part of made.parts({ name: "long" })) {
      appendFileSync(file, part);
      bytes += part.length;
    }
    await using page = await Page.open(
      findChromium() ?? "",
      "about:blank",
      join(folder, "profile"),
    );
    await page.send("Page.addScriptToEvaluateOnNewDocument", { source: WATCH });
    await page.send("Page.navigate", { url: pathToFileURL(file).href });
    const firstView = Number(await page.evaluate(FIRST_VIEW));
    const moves = `(async () => {
      for (let i = 1; i < 40; i += 1) {
        moment.value = (moment.max * ((i * 17) % 40)) / 40;
        moment.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 30));
      }
      for (let i = 0; i < 12; i += 1) {
        document.getElementById("in").click();
        await new Promise((done) => setTimeout(done, 30));
      }
    })()`;
    await page.evaluate(moves);
    const [found, searchMs] = (await page.evaluate(SEARCH)) as [string, number];
    const longest = Number(await page.evaluate("longest"));
    t.diagnostic(
      `${(bytes / 1e6).toFixed(1)} MB, first view ${firstView.toFixed(0)} ms, longest task ` +
        `${longest} ms, search ${searchMs.toFixed(0)} ms`,
    );
    assert.equal(found, "50 found");
    assert.ok(firstView < 3000, `first view after ${firstView} ms`);
    assert.ok(longest < 200, `a task took ${longest} ms`);
  },
);
