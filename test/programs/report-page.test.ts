import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  conformanceHtml,
  type ConformanceReport,
  type CaseResult,
  countVerdicts,
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
  counts: countVerdicts(results),
  results,
};

test(
  "the report's page works in Chromium, on a phone's screen, without a network",
  { skip },
  async (t) => {
    const folder = temporaryDirectory(t);
    const file = join(folder, "report.html");
    writeFileSync(file, conformanceHtml(report));
    const url = `${pathToFileURL(file).href}#header/2`;
    await using page = await Page.open(browser ?? "", url, join(folder, "profile"));
    const shown = async (): Promise<unknown> =>
      page.evaluate(
        "[...document.querySelectorAll('.check')].filter((c) => c.checkVisibility()).map((c) => c.id)",
      );
    assert.equal(await page.evaluate("document.title"), "vhost-user conformance: block");
    assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 0);
    assert.deepEqual(
      await page.evaluate("[...document.querySelectorAll('.check[open]')].map((c) => c.id)"),
      ["header/2"],
      "what the address names is open",
    );
    assert.deepEqual(await shown(), ["header/1", "header/2", "ack/1", "ack/2"]);
    await page.evaluate("document.querySelector('button[data-verdict=PASS]').click()");
    assert.deepEqual(await shown(), ["header/2", "ack/1"]);
    const type = (text: string): string =>
      `words.value = ${JSON.stringify(text)}; words.dispatchEvent(new Event("input"))`;
    await page.evaluate(type("ACK/"));
    assert.deepEqual(await shown(), ["ack/1"]);
    await page.evaluate(`${type("")}; document.querySelector('button[data-verdict=PASS]').click()`);
    assert.equal(((await shown()) as string[]).length, 4);
    const phone = { width: 375, height: 700, deviceScaleFactor: 2, mobile: true };
    await page.send("Emulation.setDeviceMetricsOverride", phone);
    const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert.equal(await page.evaluate(overflow), 0, "nothing is wider than the screen");
  },
);
