import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { Output } from "../../../../src/app/cli/output.ts";
import { ProgressLine, type ProgressTerminal } from "../../../../src/app/cli/progress-line.ts";
import { fitText, textWidth } from "../../../../src/app/cli/text-width.ts";

const ERASE = "\r\u001b[K";
const ERASE_ROWS = "\r\u001b7\u001b[B\u001b[J\u001b8\u001b[K";

/** What draws a text, without autowrap. */
function drawing(text: string, erase = ERASE): string {
  return `${erase}\u001b[?7l${text}\u001b[?7h\r`;
}

/** A terminal that keeps what was written to it. */
class Terminal extends EventEmitter {
  isTTY = true;
  readonly writes: string[] = [];
  columns: number;

  constructor(columns: number) {
    super();
    this.columns = columns;
  }

  write(text: string): boolean {
    this.writes.push(text);
    return true;
  }

  resize(columns: number): void {
    this.columns = columns;
    this.emit("resize");
  }

  get stream(): ProgressTerminal {
    return this as unknown as ProgressTerminal;
  }
}

const options = { quiet: false, term: "xterm" };
const LONG =
  "60 s, 120 rounds of 16 clients: 1920 sessions, 30720 requests verified, 240 clients killed";

for (const [text, width] of [
  ["", 0],
  ["abc", 3],
  ["…µ✓", 3],
  ["仮想キュー", 10],
  ["한국", 4],
  ["ｆｕｌｌ", 8],
  ["ｶﾅ", 2],
  ["e\u0301", 1],
  ["👍", 2],
  ["👩‍👩‍👧", 2],
  ["🇯🇵", 2],
  ["❤️", 2],
] as const) {
  test(`a terminal uses ${width} columns for ${JSON.stringify(text)}`, () => {
    assert.equal(textWidth(text), width);
  });
}

test("text that is too wide ends with an ellipsis, and no wide character is cut in half", () => {
  assert.equal(fitText("abcdef", 6), "abcdef");
  assert.equal(fitText("abcdef", 5), "abcd…");
  assert.equal(fitText("仮想キュー", 9), "仮想キュ…");
  assert.equal(fitText("仮想キュー", 8), "仮想キ…");
  assert.equal(fitText("abc", 1), "…");
  assert.equal(fitText("abc", 0), "");
});

test("control characters in a progress line become spaces", () => {
  assert.equal(fitText("a\nb\u001b[2Jc\rd\u009b", 80), "a b [2Jc d ");
});

for (const columns of [80, 40, 20]) {
  for (const text of [LONG, "仮想キュー".repeat(20)]) {
    test(`a line of ${textWidth(text)} columns is drawn in one row of ${columns}`, () => {
      const terminal = new Terminal(columns);
      const line = new ProgressLine(terminal.stream, options);
      line.show(() => text);
      line.clear();
      const [drawn = "", erased] = terminal.writes;
      const shown = drawn.slice(drawing("").indexOf("7l") + 2, -6);
      assert.equal(drawn, drawing(shown));
      assert.ok(shown.endsWith("…"), JSON.stringify(drawn));
      const width = textWidth(shown);
      assert.ok(width < columns && width >= columns - 2, `${width} columns`);
      assert.equal(erased, ERASE);
    });
  }
}

test("a terminal that does not know its width gets at most 79 columns", () => {
  const terminal = new Terminal(0);
  const line = new ProgressLine(terminal.stream, options);
  line.show(() => LONG);
  line.clear();
  assert.deepEqual(terminal.writes, [drawing(fitText(LONG, 79)), ERASE]);
});

test("a progress line is drawn again in the new width when its terminal is resized", () => {
  const terminal = new Terminal(80);
  const line = new ProgressLine(terminal.stream, options);
  line.show(() => LONG);
  terminal.resize(20);
  terminal.resize(200);
  line.clear();
  terminal.resize(10);
  assert.deepEqual(terminal.writes.slice(1), [
    drawing("60 s, 120 rounds o…", ERASE_ROWS),
    drawing(LONG, ERASE_ROWS),
    ERASE,
  ]);
  assert.equal(terminal.listenerCount("resize"), 0);
});

test("lines that come fast are drawn once, and then the newest of them", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const terminal = new Terminal(80);
  const line = new ProgressLine(terminal.stream, options);
  for (let i = 0; i < 1000; i += 1) line.show(() => `line ${i}`);
  const fast = terminal.writes.length;
  assert.ok(fast < 10, `${fast} writes`);
  t.mock.timers.tick(100);
  assert.equal(terminal.writes.at(-1), drawing("line 999"));
  line.clear();
  t.mock.timers.tick(10_000);
  assert.equal(terminal.writes.at(-1), ERASE);
});

test("a line that shows a time goes on while its command has nothing new", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const terminal = new Terminal(80);
  const line = new ProgressLine(terminal.stream, options);
  let seconds = 0;
  line.show(() => `${(seconds += 1)} s`);
  t.mock.timers.tick(1000);
  t.mock.timers.tick(1000);
  line.clear();
  assert.deepEqual(terminal.writes, [...["1 s", "2 s", "3 s"].map((text) => drawing(text)), ERASE]);
});

test("results and messages erase the progress line before they are printed", (t) => {
  const { TERM } = process.env;
  process.env["TERM"] = "xterm";
  t.after(() => {
    if (TERM === undefined) delete process.env["TERM"];
    else process.env["TERM"] = TERM;
  });
  const ways: readonly ((output: Output) => unknown)[] = [
    (output) => output.print("x"),
    (output) => output.note("x"),
    (output) => output.error("x"),
    (output) => output.json({ schemaVersion: 1, kind: "x" }),
    (output) => output.bytes(Uint8Array.of(120)),
    async (output) => output.stream(Uint8Array.of(120)),
  ];
  for (const print of ways) {
    const terminal = new Terminal(80);
    const stream = terminal as unknown as NodeJS.WriteStream;
    const output = new Output({ stdout: stream, stderr: stream, quiet: false });
    output.progress(() => "working");
    void print(output);
    assert.deepEqual(terminal.writes.slice(0, 2), [drawing("working"), ERASE]);
    assert.match(String(terminal.writes[2]), /x|120/);
  }
});

for (const [name, change, more] of [
  ["a pipe", { isTTY: false }, {}],
  ["--quiet", {}, { quiet: true }],
  ["a dumb terminal", {}, { term: "dumb" }],
] as const) {
  test(`with ${name} there is no progress line`, () => {
    const terminal = Object.assign(new Terminal(80), change);
    const line = new ProgressLine(terminal.stream, { ...options, ...more });
    line.show(() => assert.fail("the text is not needed"));
    terminal.resize(40);
    line.clear();
    assert.deepEqual(terminal.writes, []);
  });
}
