import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, ProtocolError } from "../../../../src/core/base/index.ts";
import * as p from "../../../../src/core/protocol/index.ts";
import { bytes, vectors } from "./vectors.ts";

const region = { guestAddress: 0n, size: 1n, userAddress: 0n, mmapOffset: 0n };

function refusal(codec: p.Codec<unknown>, payload: Uint8Array): ProtocolError {
  try {
    codec.decode(payload);
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `${codec.name} threw ${String(error)}`);
    return error;
  }
  assert.fail(`${codec.name} decoded ${payload.byteLength} bytes`);
}

test("every structure refuses surplus and missing bytes and says what it expected", () => {
  for (const { codec, bytes: wire, title } of vectors) {
    if (codec === p.opaque) continue;
    const longer = new Uint8Array(wire.byteLength + 1);
    longer.set(wire);
    // One byte makes neither a config nor the empty reply that means a refusal.
    for (const wrong of [longer, wire.subarray(0, -1)]) {
      if (wrong.byteLength === wire.byteLength) continue;
      if (codec === p.configReply && wrong.byteLength === 0) continue;
      const { details } = refusal(codec, wrong);
      assert.equal(details.field, "size", title);
      assert.match(
        details.actual ?? "",
        new RegExp(`^${counted(wrong.byteLength, "byte")}`),
        title,
      );
      assert.match(details.expected ?? "", /bytes?/, title);
    }
  }
});

test("an in-flight description of 20 bytes, as the text draws it, is refused", () => {
  refusal(p.inflight, new Uint8Array(20));
});

test("a memory table whose count and size disagree is refused", () => {
  const { details } = refusal(p.memoryTable, bytes("02 00*7 00*32"));
  assert.match(details.expected ?? "", /72 bytes for 2 regions/);
  assert.equal(refusal(p.memoryTable, bytes("ff ff ff ff 00*4")).details.field, "count");
  assert.equal(refusal(p.memoryTable, bytes("fe 00*7")).details.field, "count");
});

test("a config whose size field and payload disagree is refused", () => {
  refusal(p.config, bytes("00*4 02 00*3 00*4 01"));
  assert.equal(refusal(p.config, bytes("00*4 ff*4 00*4")).details.field, "size");
});

test("payloads above the ceiling are refused, however consistent", () => {
  const wire = new Uint8Array(12 + 4085);
  wire.set(bytes("00*4 f5 0f 00*2"));
  assert.deepEqual(refusal(p.config, wire).details, {
    field: "size",
    expected: "at most 4084",
    actual: "4085",
  });
  assert.equal(refusal(p.opaque, new Uint8Array(4097)).details.field, "size");
});

test("a crypto session with a key longer than its room is refused", () => {
  const wire = new Uint8Array(1072);
  wire[12] = 65;
  assert.equal(refusal(p.cryptoSession, wire).details.field, "cipherKey size");
});

test("the lenient reading cuts surplus bytes", () => {
  for (const { codec, bytes: wire, value, title } of vectors) {
    // These take any length; Xen's fields are recognised by the exact size only.
    if (codec === p.opaque || title.startsWith("an empty reply") || title.includes("Xen")) continue;
    const longer = new Uint8Array(wire.byteLength + 3).fill(0xee);
    longer.set(wire);
    assert.deepEqual(p.decodeLenient(codec, longer), value, title);
  }
});

test("the lenient reading fills short payloads up with zeros", () => {
  assert.deepEqual(p.decodeLenient(p.vringState, bytes("03 00 00 00")), { index: 3, num: 0 });
  assert.deepEqual(p.decodeLenient(p.memoryTable, new Uint8Array(0)), { regions: [] });
  assert.equal(p.decodeLenient(p.u64, bytes("07")), 7n);
  const inflight = p.decodeLenient(p.inflight, bytes("01 00*15 02 00 40 00"));
  assert.deepEqual(inflight, { mmapSize: 1n, mmapOffset: 0n, numQueues: 2, queueSize: 64 });
});

test("the lenient reading still refuses what makes no sense", () => {
  assert.throws(() => p.decodeLenient(p.memoryTable, bytes("02 00*7 00*32")), ProtocolError);
  assert.throws(() => p.decodeLenient(p.config, bytes("00*4 02 00*3 00*4 01")), ProtocolError);
});

test("values that do not fit are the caller's mistake and name the field", () => {
  const state = { index: 0, num: 0 };
  assert.throws(() => p.vringState.encode({ ...state, num: 2 ** 32 }), /RangeError: num/);
  assert.throws(() => p.vringState.encode({ ...state, index: -1 }), /RangeError: index/);
  assert.throws(() => p.u64.encode(1n << 64n), RangeError);
  assert.throws(() => p.u64.encode(-1n), RangeError);
  assert.throws(() => p.u64.encode(5 as unknown as bigint), TypeError);
  assert.throws(() => p.vringFd.encode({ index: 256, noFd: false }), RangeError);
  assert.throws(() => p.sharedObject.encode({ uuid: new Uint8Array(15) }), RangeError);
  assert.throws(
    () => p.config.encode({ offset: 0, flags: 0, data: new Uint8Array(4085) }),
    RangeError,
  );
  assert.throws(
    () => p.memoryTable.encode({ regions: Array<p.MemoryRegion>(254).fill(region) }),
    RangeError,
  );
  assert.throws(
    () => p.memoryTable.encode({ regions: [region, { ...region, xen: { flags: 1, domid: 0 } }] }),
    TypeError,
  );
  assert.throws(
    () => p.shmemConfig.encode({ numRegions: 0, sizes: Array(257).fill(0n) }),
    RangeError,
  );
});

test("a crypto session's parameters must go with its op code", () => {
  const asymmetric = vectors.find(({ title }) => title.includes("asymmetric"))?.value;
  assert.throws(
    () => p.cryptoSession.encode({ ...(asymmetric as p.CryptoSession), opCode: 2n }),
    TypeError,
  );
});
