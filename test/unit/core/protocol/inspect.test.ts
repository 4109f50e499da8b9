import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../../../../src/core/base/index.ts";
import * as p from "../../../../src/core/protocol/index.ts";
import { bytes } from "./vectors.ts";

interface Case {
  readonly direction?: p.Direction;
  readonly flags?: number;
  readonly size?: number;
  readonly descriptors?: number;
  readonly isReply?: boolean;
}

function findings(request: number, text: string, options: Case = {}): string[] {
  const payload = bytes(text);
  const { direction = "front-end", descriptors = 0, isReply = false } = options;
  const { flags = isReply ? 5 : 1, size = payload.byteLength } = options;
  return p
    .inspectMessage(direction, { request, flags, size }, payload, descriptors, isReply)
    .map(({ kind, field }) => `${kind}: ${field}`);
}

const region = (guest: string, size: string, user: string): string =>
  `${guest} ${size} ${user} 00*8`;
const page = "00 10 00*6";

test("a proper message has no findings", () => {
  assert.deepEqual(findings(1, ""), []);
  assert.deepEqual(findings(1, "00*8", { isReply: true }), []);
  assert.deepEqual(findings(8, "00*4 80 00*3", { flags: 9 }), []);
});

test("flags are judged: version, reply bit, need_reply on a reply, reserved bits", () => {
  for (const flags of [0, 2, 3, 5, 0x11]) {
    assert.deepEqual(findings(3, "", { flags }), ["flags: flags"], `flags ${flags}`);
  }
  assert.deepEqual(findings(1, "00*8", { isReply: true, flags: 1 }), ["flags: flags"]);
  assert.deepEqual(findings(1, "00*8", { isReply: true, flags: 0xd }), ["flags: flags"]);
});

test("sizes are judged: of the header and of the structure", () => {
  assert.deepEqual(findings(3, "", { size: 4 }), ["size: size"]);
  assert.deepEqual(findings(3, "00*4"), ["size: size"]);
  assert.deepEqual(findings(8, "00*4"), ["size: size"]);
});

test("an unknown request is a finding", () => {
  assert.deepEqual(findings(46, ""), ["request: request"]);
  assert.deepEqual(findings(11, "", { direction: "back-end" }), ["request: request"]);
});

test("descriptors are counted against the payload", () => {
  assert.deepEqual(findings(3, "", { descriptors: 1 }), ["descriptors: descriptors"]);
  assert.deepEqual(findings(21, ""), ["descriptors: descriptors"]);
  assert.deepEqual(findings(12, "00*8"), ["descriptors: descriptors"]);
  assert.deepEqual(findings(12, "00 01 00*6", { descriptors: 1 }), ["descriptors: descriptors"]);
  assert.deepEqual(findings(12, "00 01 00*6"), []);
  const table = `01 00*7 ${region("00*8", page, "00*8")}`;
  assert.deepEqual(findings(5, table, { descriptors: 1 }), []);
  assert.deepEqual(findings(5, table, { descriptors: 2 }), ["descriptors: descriptors"]);
  assert.deepEqual(findings(38, `00*8 ${region("00*8", page, "00*8")}`, { descriptors: 1 }), []);
});

test("descriptors of replies are counted too", () => {
  const reply = { isReply: true };
  assert.deepEqual(findings(31, "00*24", reply), []);
  assert.deepEqual(findings(31, `${page} 00*16`, reply), ["descriptors: descriptors"]);
  assert.deepEqual(findings(42, "00 01 00*6", reply), []);
  assert.deepEqual(findings(42, "00*8", reply), ["descriptors: descriptors"]);
  assert.deepEqual(findings(42, "01 00*7", { ...reply, descriptors: 0 }), ["value: value"]);
  assert.deepEqual(findings(8, "00*8", { ...reply, direction: "back-end", descriptors: 1 }), []);
  assert.deepEqual(findings(8, "00*8", { ...reply, direction: "back-end" }), [
    "descriptors: descriptors",
  ]);
});

test("reserved numbers must be zero", () => {
  assert.deepEqual(findings(11, "00*4 01 00*3"), ["value: num"]);
  assert.deepEqual(findings(35, "00*4 01 00*3"), ["value: num"]);
  assert.deepEqual(findings(45, "00*4 01 00*3"), ["value: num"]);
  assert.deepEqual(findings(4, "00*4 01 00*3", { direction: "back-end" }), ["value: num"]);
  // In the reply the same field carries the base.
  assert.deepEqual(findings(11, "00*4 01 00*3", { isReply: true }), []);
});

test("values outside their range are findings", () => {
  assert.deepEqual(findings(8, "00*8"), ["value: num"]);
  assert.deepEqual(findings(8, "00*4 01 80 00*2"), ["value: num"]);
  assert.deepEqual(findings(18, "00*4 02 00*3"), ["value: num"]);
  assert.deepEqual(findings(9, "00*4 02 00*3 00*32"), ["value: flags"]);
  assert.deepEqual(findings(20, "43 00*7"), ["value: mtu"]);
  assert.deepEqual(findings(39, "00 01 00*6"), ["value: value"]);
  assert.deepEqual(findings(22, "00*24 03 01 00*6"), ["value: type"]);
  assert.deepEqual(findings(1, "00*24 03 02 00*6", { direction: "back-end" }), ["value: type"]);
  assert.deepEqual(findings(22, "00*24 04 02 00*6"), ["value: permissions"]);
  assert.deepEqual(findings(25, "00*8 02 00*3"), ["value: flags"]);
  assert.deepEqual(findings(42, "02 00*7", { descriptors: 1 }), ["value: direction"]);
  assert.deepEqual(findings(42, "00*4 01 00*3", { descriptors: 1 }), ["value: phase"]);
  assert.deepEqual(findings(44, "01 00*2055", { isReply: true }), ["value: numRegions"]);
});

test("memory regions have a size, do not wrap around and do not overlap", () => {
  const table = (...regions: string[]): string[] =>
    findings(5, `0${regions.length} 00*7 ${regions.join(" ")}`, { descriptors: regions.length });
  const low = region("00*8", page, "00*8");
  assert.deepEqual(table(low, region(page, page, page)), []);
  assert.deepEqual(table(low, region("ff 0f 00*6", page, page)), [
    "value: regions[1].guestAddress",
  ]);
  assert.deepEqual(table(low, region(page, page, "00*8")), ["value: regions[1].userAddress"]);
  assert.deepEqual(table(low, region(page, "00*8", page)), ["value: regions[1].size"]);
  assert.deepEqual(table(region("01 f0 ff*6", page, "00*8")), ["value: regions[0].guestAddress"]);
  assert.deepEqual(table(region("00 f0 ff*6", page, "00*8")), []);
});

test("mappings of shared memory have a size and known flags", () => {
  const map = (length: string, flags: string): string[] =>
    findings(9, `00*8 00*8 00*8 ${length} ${flags}`, { direction: "back-end", descriptors: 1 });
  assert.deepEqual(map(page, "01 00*7"), []);
  assert.deepEqual(map("00*8", "00*8"), ["value: length"]);
  assert.deepEqual(map(page, "02 00*7"), ["value: flags"]);
});

test("padding and reserved bits must be zero, tail padding of C structures need not", () => {
  assert.deepEqual(findings(12, "00 03 00*6"), ["padding: reserved bits of byte 1"]);
  assert.deepEqual(findings(5, "00*4 01 00*3"), ["padding: reserved bits of byte 4"]);
  assert.deepEqual(findings(37, `01 00*7 ${region("00*8", page, "00*8")}`, { descriptors: 1 }), [
    "padding: reserved bits of byte 0",
  ]);
  assert.deepEqual(findings(32, "00*20 ff*4", { descriptors: 1 }), []);
  assert.deepEqual(findings(22, "00*24 03 02 ff*6"), []);
  assert.deepEqual(findings(26, "02 00*7 00*28 ff*20 00*1016"), []);
});

test("the gate throws the first finding with request, field, expected and actual", () => {
  const header = { request: 8, flags: 1, size: 4 };
  assert.throws(
    () => p.validateMessage("front-end", header, new Uint8Array(4), 0, false),
    (error) => {
      assert.ok(error instanceof ProtocolError);
      assert.deepEqual(error.details, {
        request: "VHOST_USER_SET_VRING_NUM",
        field: "size",
        expected: "8 bytes",
        actual: "4 bytes",
      });
      assert.equal(error.message, "VHOST_USER_SET_VRING_NUM: size must be 8 bytes, not 4 bytes");
      return true;
    },
  );
  p.validateMessage("front-end", { request: 3, flags: 1, size: 0 }, new Uint8Array(0), 0, false);
});
