import assert from "node:assert/strict";
import { test } from "node:test";
import * as p from "../../../../src/core/protocol/index.ts";
import { vectors } from "./vectors.ts";

for (const { title, codec, bytes, value } of vectors) {
  test(`decodes ${title}`, () => {
    assert.deepEqual(codec.decode(bytes), value);
  });
  test(`encodes ${title}`, () => {
    assert.deepEqual(codec.encode(value), bytes);
    assert.equal(codec.size(value), bytes.byteLength);
  });
}

test("decodes bytes in the middle of a larger buffer", () => {
  for (const { codec, bytes, value } of vectors) {
    const buffer = new Uint8Array(bytes.byteLength + 7).fill(0xee);
    buffer.set(bytes, 3);
    assert.deepEqual(codec.decode(buffer.subarray(3, 3 + bytes.byteLength)), value);
  }
});

test("decoded values own their memory", () => {
  for (const { codec, bytes, value } of vectors) {
    const copy = bytes.slice();
    const decoded = codec.decode(copy);
    copy.fill(0x55);
    assert.deepEqual(decoded, value);
  }
});

test("a packed ring's base has two positions with their wrap counters", () => {
  const base = { availPosition: 5, availWrap: true, usedPosition: 3, usedWrap: false };
  assert.equal(p.encodePackedBase(base), 0x0003_8005);
  assert.deepEqual(p.decodePackedBase(0x0003_8005), base);
  assert.deepEqual(p.decodePackedBase(p.FRESH_PACKED_BASE), {
    availPosition: 0,
    availWrap: true,
    usedPosition: 0,
    usedWrap: true,
  });
  assert.throws(() => p.encodePackedBase({ ...base, usedPosition: 0x8000 }), RangeError);
});

test("a UUID's text shows the bytes in the order of the wire", () => {
  const text = "00112233-4455-6677-8899-aabbccddeeff";
  assert.equal(p.formatUuid(p.parseUuid(text)), text);
  assert.equal(p.parseUuid(text)[1], 0x11);
  assert.throws(() => p.parseUuid("00112233"), TypeError);
});
