import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../../src/core/base/index.ts";
import * as p from "../../../../src/core/protocol/index.ts";
import { vectors } from "./vectors.ts";

/** Runs the code and lets nothing through but the one error that hostile bytes may cause. */
function refusesPolitely(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

const directions: readonly p.Direction[] = ["front-end", "back-end"];

function attack(request: number, flags: number, payload: Uint8Array, descriptors: number): void {
  for (const direction of directions) {
    const header = { request, flags, size: payload.byteLength };
    const line = p.describeMessage({ direction, header, payload, descriptors });
    assert.doesNotMatch(line, /\n/);
    assert.ok(line.length < 40_000);
    for (const isReply of [false, true]) {
      p.inspectMessage(direction, header, payload, descriptors, isReply);
      refusesPolitely(() => {
        p.validateMessage(direction, header, payload, descriptors, isReply);
      });
    }
    const spec = p.requestSpec(direction, request);
    if (!spec) continue;
    for (const codec of [spec.payload, spec.reply.codec]) {
      refusesPolitely(() => codec.decode(payload));
      refusesPolitely(() => p.decodeLenient(codec, payload));
    }
  }
}

const flags = fc.oneof(fc.constantFrom(1, 5, 9, 13), fc.nat({ max: 0xffff_ffff }));
const request = fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 0xffff_ffff }));
const descriptors = fc.nat({ max: 260 });

test("random bytes cause nothing but protocol errors", () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.uint8Array({ maxLength: 3000, size: "max" }),
  );
  fc.assert(fc.property(request, flags, payload, descriptors, attack), { numRuns: 500 });
});

test("valid structures with damaged bytes cause nothing but protocol errors", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.constantFrom(...vectors),
      request,
      flags,
      damage,
      ({ codec, bytes }, ...rest) => {
        const [number, word, hits] = rest;
        const payload = bytes.slice();
        for (const [at, byte] of hits) {
          // Half of the hits go to the front, where counts and sizes are.
          if (payload.length > 0)
            payload[at % (at & 1 ? payload.length : Math.min(16, payload.length))] = byte;
        }
        refusesPolitely(() => codec.describe(codec.decode(payload)));
        refusesPolitely(() => codec.describe(p.decodeLenient(codec, payload)));
        attack(number, word, payload, hits.length);
      },
    ),
    { numRuns: 500 },
  );
});

test("every truncation and extension of a valid structure causes nothing but protocol errors", () => {
  for (const { codec, bytes } of vectors) {
    for (let length = 0; length < bytes.byteLength; length += length < 100 ? 1 : 61) {
      refusesPolitely(() => codec.decode(bytes.subarray(0, length)));
      refusesPolitely(() => p.decodeLenient(codec, bytes.subarray(0, length)));
    }
    for (const extra of [1, 8, 40, 5000]) {
      const longer = new Uint8Array(bytes.byteLength + extra).fill(0xff);
      longer.set(bytes);
      refusesPolitely(() => codec.decode(longer));
      refusesPolitely(() => p.decodeLenient(codec, longer));
    }
  }
});

test("what decodes also encodes, to the same bytes but for padding", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...vectors),
      fc.infiniteStream(fc.nat({ max: 255 })),
      ({ codec, bytes }, stream) => {
        const payload = bytes.map((byte) => (byte === 0 ? byte : (stream.next().value ?? byte)));
        let value: unknown;
        try {
          value = codec.decode(payload);
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
          return;
        }
        const again = codec.encode(value);
        assert.equal(again.byteLength, payload.byteLength);
        assert.deepEqual(codec.decode(again), value);
      },
    ),
    { numRuns: 300 },
  );
});
