import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  conformanceHtml,
  conformanceMatrix,
  type ConformanceReport,
  type CaseResult,
  tallyOf,
} from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { findChromium, Page } from "./support/chromium.ts";
import { needsChromium, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const browser = findChromium();
const skip = needsChromium();

const hostile = "</pre><script>document.title = 'broken'</script><img src=x onerror=alert(1)>";

function result(id: string, verdict: CaseResult["verdict"]): CaseResult {
  const exchange = [`0.1 ms  s1 > VHOST_USER_GET_FEATURES ${"x".repeat(400)}`, hostile];
  return {
    id,
    title: `${id} holds ${hostile}`,
    strength: "MUST",
    section: "Header",
    verdict,
    reason: hostile,
    findings: [{ message: "flags", expected: "5", actual: hostile }],
    values: [],
    durationMs: 3,
    exchange,
    output: hostile,
    repeat: `vhost-user conform ${"a-long-path/".repeat(30)} --only ${id}`,
  };
}

const results = [
  result("header/1", "PASS"),
  result("header/2", "FAIL"),
  result("ack/1", "WARN"),
  result("ack/2", "PASS"),
];
const report: ConformanceReport = {
  schemaVersion: 1,
  kind: "conformance",
  tool: { name: "vhost-user", version: "0.1.0" },
  startedAt: "2026-03-04T05:06:07.890Z",
  durationMs: 1234,
  target: { name: hostile, device: "block", virtioFeatures: "0x1", protocolFeatures: "0x2" },
  seed: 7,
  ...tallyOf(results),
  results,
};

const shown = async (page: Page, rows = ".check"): Promise<unknown> =>
  page.evaluate(
    `[...document.querySelectorAll("${rows}")].filter((c) => c.checkVisibility()).map((c) => c.id || c.querySelector("b").textContent)`,
  );
const type = (text: string): string =>
  `words.value = ${JSON.stringify(text)}; words.dispatchEvent(new Event("input"))`;

/** @param width of a screen on which nothing may be wider than the page */
async function expectFits(page: Page, width: number): Promise<void> {
  const phone = { width, height: 700, deviceScaleFactor: 2, mobile: true };
  await page.send("Emulation.setDeviceMetricsOverride", phone);
  const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
  assert.equal(await page.evaluate(overflow), 0, "nothing is wider than the screen");
}

test(
  "the report's page shows failures first, filters, and follows deep links, also on a phone",
  { skip },
  async (t) => {
    const folder = temporaryDirectory(t);
    const file = join(folder, "report.html");
    writeFileSync(file, conformanceHtml(report));
    const url = pathToFileURL(file).href;
    await using page = await Page.open(browser ?? "", `${url}#ack/1`, join(folder, "profile"));
    const press = async (verdict: string): Promise<unknown> =>
      page.evaluate(`document.querySelector('button[data-verdict=${verdict}]').click()`);
    assert.equal(await page.evaluate("document.title"), "vhost-user conformance: block");
    assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 0);
    assert.deepEqual(
      await page.evaluate("[...document.querySelectorAll('.check[open]')].map((c) => c.id)"),
      ["header/2", "ack/1"],
      "failures are open, and what the address names",
    );
    const all = ["header/2", "header/1", "ack/1", "ack/2"];
    assert.deepEqual(await shown(page), all);
    await press("FAIL");
    assert.deepEqual(await shown(page), ["header/2"], "a verdict shows only its checks");
    await page.evaluate("location.hash = '#ack/2'; new Promise((done) => setTimeout(done))");
    assert.deepEqual(await shown(page), all, "a link leads to what a filter hides");
    await press("PASS");
    assert.deepEqual(await shown(page), ["header/1", "ack/2"]);
    await page.evaluate(type("ACK/"));
    assert.deepEqual(await shown(page), ["ack/2"]);
    await page.evaluate(type(""));
    await press("PASS");
    assert.deepEqual(await shown(page), all, "pressed again, all are shown");
    const counts = "[...document.querySelectorAll('h2')].map((each) => each.textContent)";
    assert.deepEqual(await page.evaluate(counts), [
      "Failures",
      "header 1 PASS, 1 FAIL",
      "ack 1 PASS, 1 WARN",
    ]);
    await expectFits(page, 375);
  },
);

test(
  "the matrix's page filters, shows only differences, and fits 480 pixels",
  { skip },
  async (t) => {
    const folder = temporaryDirectory(t);
    const file = join(folder, "index.html");
    const better = {
      ...report,
      results: results.map((each) => ({ ...each, verdict: "PASS" as const })),
    };
    const columns = ["one", "two", "three", "four"].map((name, i) => ({
      name: `${name}-with-a-long-name`,
      page: `${name}.html`,
      report: i === 0 ? better : report,
    }));
    writeFileSync(file, conformanceMatrix(columns));
    const url = pathToFileURL(file).href;
    await using page = await Page.open(browser ?? "", url, join(folder, "profile"));
    const rows = "tr.check";
    assert.deepEqual(await shown(page, rows), ["header/1", "header/2", "ack/1", "ack/2"]);
    await page.evaluate("differing.click()");
    assert.deepEqual(await shown(page, rows), ["header/2", "ack/1"]);
    await page.evaluate(type("ack/"));
    assert.deepEqual(await shown(page, rows), ["ack/1"]);
    const reason = await page.evaluate(
      "document.querySelector('tr:not([hidden]) small').textContent",
    );
    assert.equal(reason, hostile);
    await expectFits(page, 480);
  },
);
