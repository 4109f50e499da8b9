import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as p from "../../../../src/core/protocol/index.ts";

const u8 = fc.nat({ max: 0xff });
const u16 = fc.nat({ max: 0xffff });
const u32 = fc.nat({ max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
/** Plain objects, as a literal makes them: deepEqual compares prototypes. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
const data = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

const region = record({ guestAddress: u64, size: u64, userAddress: u64, mmapOffset: u64 });
const xenRegion = fc
  .tuple(region, record({ flags: u32, domid: u32 }))
  .map(([plain, xen]) => ({ ...plain, xen }));
const config = record({ offset: u32, flags: u32, data: data(300) });

const session = fc.oneof(
  record({
    opCode: fc.bigInt({ min: 0n, max: 0x3ffn }),
    parameters: record({
      kind: fc.constant("symmetric" as const),
      cipherAlgorithm: u32,
      hashAlgorithm: u32,
      resultSize: u32,
      aadSize: u32,
      operationType: u8,
      direction: u8,
      hashMode: u8,
      chainOrder: u8,
      cipherKey: data(64),
      authKey: data(512),
    }),
    sessionId: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  }),
  record({
    opCode: fc.bigInt({ min: 0x400n, max: 0x4ffn }),
    parameters: record({
      kind: fc.constant("asymmetric" as const),
      algorithm: u32,
      keyType: u32,
      paddingAlgorithm: u32,
      hashAlgorithm: u32,
      key: data(1024),
    }),
    sessionId: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  }),
);

function roundTrip<T>(codec: p.Codec<T>, values: fc.Arbitrary<T>): void {
  test(`${codec.name}: every value is decoded from its encoding`, () => {
    fc.assert(
      fc.property(values, (value) => {
        const wire = codec.encode(value);
        assert.equal(wire.byteLength, codec.size(value));
        assert.ok(wire.byteLength >= codec.minSize && wire.byteLength <= codec.maxSize);
        assert.deepEqual(codec.decode(wire), value);
        assert.deepEqual(p.decodeLenient(codec, wire), value);
        assert.doesNotMatch(codec.describe(value), /\n|undefined|NaN/);
      }),
      { numRuns: 60 },
    );
  });
}

for (const codec of [
  p.u64,
  p.count,
  p.acknowledgement,
  p.virtioFeatures,
  p.protocolFeatures,
  p.deviceStatus,
  p.macAddress,
  p.deviceStateReply,
]) {
  roundTrip(codec, u64);
}
roundTrip(p.empty, fc.constant(undefined));
roundTrip(p.opaque, data(100));
roundTrip(p.vringState, record({ index: u32, num: u32 }));
roundTrip(
  p.vringAddress,
  record({ index: u32, flags: u32, descriptor: u64, used: u64, available: u64, log: u64 }),
);
roundTrip(p.vringFd, record({ index: u8, noFd: fc.boolean() }));
roundTrip(p.vringArea, record({ index: u8, noFd: fc.boolean(), size: u64, offset: u64 }));
roundTrip<p.MemoryTable>(
  p.memoryTable,
  record({
    regions: fc.oneof(fc.array(region, { maxLength: 12 }), fc.array(xenRegion, { maxLength: 12 })),
  }),
);
roundTrip<p.SingleMemoryRegion>(
  p.singleMemoryRegion,
  record({ region: fc.oneof(region, xenRegion) }),
);
roundTrip(p.log, record({ mmapSize: u64, mmapOffset: u64 }));
roundTrip(p.iotlb, record({ iova: u64, size: u64, userAddress: u64, permissions: u8, type: u8 }));
roundTrip(p.config, config);
roundTrip(p.configReply, fc.option(config, { nil: undefined }));
roundTrip(p.inflight, record({ mmapSize: u64, mmapOffset: u64, numQueues: u16, queueSize: u16 }));
roundTrip<p.CryptoSession>(p.cryptoSession, session);
roundTrip(p.sharedObject, record({ uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }) }));
roundTrip(p.deviceStateParams, record({ direction: u32, phase: u32 }));
roundTrip(p.mmap, record({ shmid: u8, fdOffset: u64, shmOffset: u64, length: u64, flags: u64 }));
roundTrip(
  p.shmemConfig,
  record({ numRegions: u32, sizes: fc.array(u64, { minLength: 256, maxLength: 256 }) }),
);

test("packed ring bases are decoded from their number", () => {
  fc.assert(
    fc.property(u32, (num) => {
      assert.equal(p.encodePackedBase(p.decodePackedBase(num)), num);
    }),
  );
});
