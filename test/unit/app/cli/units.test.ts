import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import {
  formatSize,
  parseChoice,
  parseDuration,
  parseDurationOrZero,
  parseInteger,
  parseList,
  parseSize,
} from "../../../../src/app/cli/units.ts";

function refuses(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof UsageError && error.message.startsWith(`"${text}" is not `),
      text,
    );
  }
}

test("sizes are bytes with units of 1024", () => {
  const sizes: Readonly<Record<string, number>> = {
    "0": 0,
    "4096": 4096,
    "64K": 65_536,
    "64k": 65_536,
    "64KB": 65_536,
    "64KiB": 65_536,
    "1.5M": 1_572_864,
    " 256M ": 268_435_456,
    "1GiB": 2 ** 30,
    "8T": 2 ** 43,
    "512b": 512,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes, text);
  refuses(parseSize, [
    "",
    "K",
    "-1",
    "1Q",
    "1 K",
    "0x10",
    "1e3",
    "1.0001",
    "9999999T",
    "NaN",
    "1,5M",
  ]);
});

test("durations are seconds unless they say otherwise, and fit a timer", () => {
  const durations: Readonly<Record<string, number>> = {
    "500ms": 500,
    "5s": 5000,
    "5": 5000,
    "0.2": 200,
    "2m": 120_000,
    "1.5S": 1500,
  };
  for (const [text, ms] of Object.entries(durations)) assert.equal(parseDuration(text), ms, text);
  refuses(parseDuration, ["", "0", "0ms", "-1s", "5d", "soon", "2147484", "99999999m"]);
});

test("where no time at all makes sense, 0 is a duration in any unit", () => {
  for (const text of ["0", "0ms", "0s", " 0.0m "]) assert.equal(parseDurationOrZero(text), 0, text);
  assert.equal(parseDurationOrZero("500ms"), 500);
  refuses(parseDurationOrZero, ["", "-0", "0x0", "00.", "zero", "5d"]);
});

test("whole numbers stay in their range", () => {
  const parse = parseInteger(1, 256);
  assert.equal(parse("1"), 1);
  assert.equal(parse("256"), 256);
  refuses(parse, ["0", "257", "1.5", "-1", "0x10", "", "ten"]);
});

test("lists have at least one part, and each part is looked at", () => {
  const parse = parseList(parseInteger(1, 128));
  assert.deepEqual(parse("1, 16,128,"), [1, 16, 128]);
  refuses(parse, ["", ",", " , "]);
  assert.throws(() => parse("1,x"), /"x" is not/);
});

test("choices are words of a list, in any case", () => {
  const parse = parseChoice(["poll", "event"] as const);
  assert.equal(parse(" POLL "), "poll");
  refuses(parse, ["", "polling", "both"]);
});

test("sizes are printed in the largest unit that they reach", () => {
  assert.deepEqual([0, 512, 1023, 1024, 1536, 64 << 20, 1.5 * 2 ** 30, 2 ** 43].map(formatSize), [
    "0 bytes",
    "512 bytes",
    "1023 bytes",
    "1 KiB",
    "1.5 KiB",
    "64 MiB",
    "1.5 GiB",
    "8192 GiB",
  ]);
});
