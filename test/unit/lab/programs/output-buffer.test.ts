import assert from "node:assert/strict";
import { test } from "node:test";
import { OutputBuffer } from "../../../../src/lab/programs/process/output-buffer.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("keeps exactly the newest bytes, however they were cut into chunks", () => {
  const buffer = new OutputBuffer(5);
  for (const chunk of ["a", "bc", "", "defg", "h"]) buffer.push(bytes(chunk));
  assert.equal(buffer.text(), "defgh");
  assert.equal(buffer.position, 8);
  buffer.push(bytes("0123456789"));
  assert.equal(buffer.text(), "56789");
});

test("text from a position leaves out what came before, and what has been dropped", () => {
  const buffer = new OutputBuffer(6);
  buffer.push(bytes("abc"));
  const position = buffer.position;
  buffer.push(bytes("de"));
  assert.equal(buffer.text(position), "de");
  buffer.push(bytes("fghijk"));
  assert.equal(buffer.text(position), "fghijk");
  assert.equal(buffer.text(buffer.position), "");
});

test("a character that arrives in two chunks is whole", () => {
  const buffer = new OutputBuffer(16);
  const [first = 0, ...rest] = bytes("é");
  buffer.push(Uint8Array.of(first));
  buffer.push(Uint8Array.from(rest));
  assert.equal(buffer.text(), "é");
});

test("last lines are without empty ones and without terminal control sequences", () => {
  const buffer = new OutputBuffer(100);
  buffer.push(bytes("first\r\n\u001bc\u001b[1;31mred\u001b[0m\n\n  \nlast\u0007"));
  assert.deepEqual(buffer.lastLines(2), ["red", "last"]);
  assert.deepEqual(buffer.lastLines(9), ["first", "red", "last"]);
});
