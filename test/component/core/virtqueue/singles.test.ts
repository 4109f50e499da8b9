import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SpanList } from "../../../../src/core/memory/index.ts";
import { createChainCursor, SegmentList } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { openRings } from "../../support/rings.ts";

guardLeaks();

const BUFFERS = 16;
const BUFFER_BYTES = 64;

/** A chain by its readable and writable segments; what is added before the device looks again. */
const chain = fc.record({
  readable: fc.constantFrom(1, 1, 1, 1, 2, 0),
  writable: fc.constantFrom(0, 0, 0, 0, 1),
});
const rounds = fc.array(
  fc.record({
    chains: fc.array(chain, { maxLength: 12 }),
    /** Chains of one segment that are added together behind them, and what the device does. */
    together: fc.integer({ min: 0, max: 10 }),
    reads: fc.boolean(),
    max: fc.integer({ min: 1, max: 12 }),
    /** Chains that are taken one by one, and held while a batch is asked for. */
    singly: fc.integer({ min: 0, max: 2 }),
  }),
  { maxLength: 40 },
);

for (const packed of [false, true]) {
  for (const inOrder of [false, true]) {
    for (const indirect of [false, true]) {
      const form = `${packed ? "packed" : "split"}${inOrder ? ", in order" : ""}${indirect ? ", indirect" : ""}`;
      test(`batches of single-descriptor chains and chains taken one by one complete what was added (${form})`, () => {
        fc.assert(
          fc.property(rounds, (steps) => {
            const rings = openRings({ size: 8, packed, inOrder, indirect });
            const { memory, table, driver, device } = rings;
            const { address } = memory.allocate(BUFFERS * BUFFER_BYTES);
            const spans = new SpanList();
            const cursor = createChainCursor();
            const out: { token: number; written: number }[] = [];
            const expected: { token: number; written: number; plain: boolean; taken: number }[] =
              [];
            const ready: typeof expected = [];
            let token = 0;
            const take = (): boolean => {
              if (!device.next(cursor)) return false;
              const next = ready.shift();
              assert.equal(cursor.writableBytes, next?.written);
              return true;
            };
            const poll = (): void => {
              driver.poll((done, written) => out.push({ token: done, written }), 100);
            };
            try {
              for (const { chains, together, reads, max, singly } of steps) {
                for (const { readable, writable } of chains) {
                  if (readable + writable === 0) continue;
                  const segments = new SegmentList(4);
                  for (let i = 0; i < readable + writable; i += 1)
                    segments.push(address + (token % BUFFERS) * BUFFER_BYTES + 8 * i, 8);
                  if (!driver.add(segments, readable, token)) break;
                  const plain = readable === 1 && writable === 0;
                  const taken = indirect ? 1 : readable + writable;
                  const made = { token, written: 8 * writable, plain, taken };
                  expected.push(made);
                  ready.push(made);
                  token += 1;
                }
                const segments = new SegmentList(10);
                const tokens = Int32Array.from({ length: together }, (_, i) => token + i);
                for (const one of tokens)
                  segments.push(address + (one % BUFFERS) * BUFFER_BYTES, 8);
                const added = driver.addSingles(segments, reads, tokens);
                const taken = expected.slice(out.length).reduce((sum, one) => sum + one.taken, 0);
                assert.equal(added, Math.min(together, driver.size - taken));
                for (const one of tokens.subarray(0, added)) {
                  const made = { token: one, written: reads ? 0 : 8, plain: reads, taken: 1 };
                  expected.push(made);
                  ready.push(made);
                }
                token += added;
                driver.publish();
                const held: [id: number, written: number][] = [];
                for (let i = 0; i < singly && take(); i += 1)
                  held.push([cursor.id, cursor.writableBytes]);
                const count = device.takeSingles(spans, max);
                if (held.length > 0) assert.equal(count, 0, "nothing beside what is in flight");
                else assert.equal(count > 0, ready[0]?.plain === true);
                assert.equal(spans.count, count);
                assert.equal(device.inFlight, held.length + count);
                for (const [i, made] of ready.splice(0, count).entries()) {
                  assert.ok(made.plain);
                  const { guestStart } = spans.windows[i] ?? { guestStart: Number.NaN };
                  const at = address + (made.token % BUFFERS) * BUFFER_BYTES;
                  assert.equal(guestStart + (spans.offsets[i] ?? 0), at);
                  assert.equal(spans.lengths[i], 8);
                }
                device.completeSingles();
                for (const [id, written] of held) device.complete(id, written);
                assert.equal(device.inFlight, 0);
                device.publish();
                poll();
              }
              while (take()) device.complete(cursor.id, cursor.writableBytes);
              device.publish();
              poll();
              assert.deepEqual(
                out,
                expected.map(({ token: one, written }) => ({ token: one, written })),
              );
              assert.equal(driver.broken, undefined);
              assert.equal(device.broken, undefined);
            } finally {
              table.close();
              memory.close();
            }
          }),
          { numRuns: 60 },
        );
      });
    }
  }
}
