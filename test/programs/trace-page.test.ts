import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { TracePage } from "../../src/lab/trace-page/index.ts";
import { TraceReader } from "../../src/lab/trace/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { longTrace } from "../support/long-trace.ts";
import { findChromium, Page } from "./support/chromium.ts";
import { needsChromium, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const browser = findChromium();
const skip = needsChromium();
const hostile = "</script><script>document.title = 'broken'</script><img src=x onerror=alert(1)>";

/** Lines that come behind those of the trace. */
const MORE = [
  { event: "chain-available", ring: 0, queue: hostile, chain: 9000, text: hostile },
  { event: "opened", session: 1, frontEnd: { pid: 1, program: hostile } },
  {
    event: "message",
    session: 1,
    from: "front-end",
    number: 7,
    descriptors: [],
    hex: "010000000100000000000000",
  },
];
const CHAIN = {
  head: 0,
  descriptors: 1,
  readable: 1,
  writable: 0,
  fields: {},
  failed: true,
  depth: 1,
};

/** Opens the page of a trace whose 30,006 events are in eight chunks. */
async function openPage(t: TestContext, hash = ""): Promise<Page> {
  const reader = new TraceReader();
  const page = new TracePage();
  const take = (line: string): void => {
    for (const { event, state } of reader.line(line)) page.event(event, state);
  };
  for (const line of longTrace({ messages: 3002, chains: 13_500 })) take(line);
  for (const each of MORE) {
    take(JSON.stringify({ us: 1e6, session: 0, ...CHAIN, ...each }));
  }
  const folder = temporaryDirectory(t);
  const file = join(folder, "trace.html");
  const parts = [...page.parts({ name: hostile, notes: [hostile] })];
  writeFileSync(file, parts.join(""));
  const url = `${pathToFileURL(file).href}${hash}`;
  return Page.open(browser ?? "", url, join(folder, "profile"));
}

/** Returns the text of an element once it fits. */
async function until(page: Page, id: string, pattern: RegExp): Promise<string> {
  const text = `document.getElementById("${id}").textContent`;
  const wait = `new Promise((done) => {
    const look = () => (${String(pattern)}.test(${text}) ? done(${text}) : requestAnimationFrame(look));
    look();
  })`;
  return String(await page.evaluate(wait));
}

const lines = async (page: Page): Promise<string> =>
  String(await page.evaluate("document.getElementById('list').textContent"));

test(
  "the page of a trace shows failures first and nothing of a hostile name is run",
  { skip },
  async (t) => {
    await using page = await openPage(t);
    await until(page, "event", /opened/);
    assert.equal(await page.evaluate("document.title"), `vhost-user trace: ${hostile}`);
    assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 0);
    const first = "document.querySelector('.failures ol').textContent";
    assert.match(String(await page.evaluate(first)), /READ sector \d+, 8 sectors: IOERR/);
    await page.evaluate("document.querySelector('.failures li:last-child a').click()");
    await until(page, "event", /onerror=alert/);
    assert.match(await until(page, "state", /outstanding/), /onerror=alert/);
    assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 0);
  },
);

test("a link leads to a message, with the state of its session behind it", { skip }, async (t) => {
  await using page = await openPage(t, "#m2001");
  await until(page, "event", /SET_VRING_BASE index=0 num=2001/);
  const state = await until(page, "state", /base 2001/);
  assert.match(
    state,
    /ring 0 requestq: \d+ chains made available, \d+ used, 0 not seen, 8 outstanding/,
  );
  await page.evaluate("location.hash = '#s1m7'");
  await until(page, "event", /#1 -> GET_FEATURES/);
  await until(page, "state", /^session 1\n/);
  await page.evaluate("location.hash = '#m2'");
  await until(page, "event", /GET_FEATURES reply.*its request/);
  await page.evaluate("document.querySelector('#event a').click()");
  await until(page, "event", /^#0 -> GET_FEATURES$/);
});

test(
  "the slider and the keyboard move through a trace, and the search finds its events",
  { skip },
  async (t) => {
    await using page = await openPage(t);
    await until(page, "event", /opened/);
    await page.evaluate("moment.value = 20000; moment.dispatchEvent(new Event('input'))");
    await until(page, "event", /ring \d requestq/);
    const before = Number(await page.evaluate("moment.value"));
    assert.equal(before, 20_000);
    await page.evaluate("document.getElementById('list').focus()");
    for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "PageDown"]) {
      await page.send("Input.dispatchKeyEvent", { type: "keyDown", key });
    }
    await until(page, "when", / ms/);
    assert.ok(Number(await page.evaluate("moment.value")) > before + 5);
    await page.send("Input.dispatchKeyEvent", { type: "keyDown", key: "End" });
    await until(page, "event", /#1 -> GET_FEATURES/);
    await page.evaluate("words.value = 'num=2001'; words.dispatchEvent(new Event('input'))");
    assert.equal(await until(page, "found", /found$/), "1 found");
    await until(page, "list", /^\d+#0 -> SET_VRING_BASE index=0 num=2001$/);
    await page.evaluate("words.value = 'ioerr'; words.dispatchEvent(new Event('input'))");
    await until(page, "found", /^1 found$/);
    await until(page, "list", /IOERR/);
    await page.evaluate("words.value = ''; words.dispatchEvent(new Event('input'))");
    await page.evaluate("failed.click()");
    await until(page, "found", /^2 found$/);
    assert.match(await lines(page), /IOERR.*onerror/s);
  },
);

test(
  "the page of a trace fits 480 pixels, and draws its timeline in light and dark",
  { skip },
  async (t) => {
    await using page = await openPage(t);
    await until(page, "event", /opened/);
    const phone = { width: 480, height: 800, deviceScaleFactor: 2, mobile: true };
    await page.send("Emulation.setDeviceMetricsOverride", phone);
    const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert.equal(await page.evaluate(overflow), 0);
    const drawn = `new Promise((done) => setTimeout(() => {
    const canvas = document.getElementById("timeline");
    const { data } = canvas.getContext("2d").getImageData(canvas.width / 2, 0, 100, canvas.height);
    done([canvas.clientHeight, data.some((each) => each > 0)]);
  }, 100))`;
    for (const value of ["light", "dark"]) {
      const features = [{ name: "prefers-color-scheme", value }];
      await page.send("Emulation.setEmulatedMedia", { features });
      assert.deepEqual(await page.evaluate(drawn), [4 * 18, true], value);
    }
  },
);
