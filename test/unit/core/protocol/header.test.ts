import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderFlag, decodeHeader, encodeHeader } from "../../../../src/core/protocol/index.ts";
import { bytes } from "./vectors.ts";

const wire = bytes(`
  18 00 00 00   # request 24
  09 00 00 00   # flags: version 1, need_reply
  45 00 00 00   # size 69`);
const header = { request: 24, flags: HeaderFlag.Version | HeaderFlag.NeedReply, size: 69 };

test("a header can be anywhere in a buffer, and only its own bytes are touched", () => {
  const target = new Uint8Array(20).fill(0xee);
  encodeHeader(header, target, 5);
  assert.deepEqual(target, Uint8Array.of(...Array(5).fill(0xee), ...wire, 0xee, 0xee, 0xee));
  assert.deepEqual(decodeHeader(target.subarray(2), 3), header);
});

test("a header is not judged: any 12 bytes are one", () => {
  const odd = { request: 0xffff_ffff, flags: 0xffff_fff2, size: 0xffff_ffff };
  const target = new Uint8Array(12);
  encodeHeader(odd, target);
  assert.deepEqual(decodeHeader(target), odd);
});

test("a field that is not a 32-bit number and a target that is too short are the caller's mistake", () => {
  const target = new Uint8Array(12);
  assert.throws(() => encodeHeader({ ...header, size: -1 }, target), RangeError);
  assert.throws(() => encodeHeader({ ...header, request: 2 ** 32 }, target), RangeError);
  assert.throws(() => encodeHeader({ ...header, flags: 1.5 }, target), RangeError);
  assert.throws(() => encodeHeader(header, target, 1), RangeError);
  assert.throws(() => decodeHeader(target.subarray(1)), RangeError);
  assert.throws(() => decodeHeader(target, -1), RangeError);
});
