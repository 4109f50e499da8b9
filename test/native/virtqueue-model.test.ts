import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createChainCursor, SegmentList } from "../../src/virtqueue/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { makeRingsOfFormat, type RingOptions } from "./support/rings.ts";

guardLeaks();

/** To be set to what a failure prints, in order to see it again. */
const seed = Number(process.env["VHOST_USER_SEED"] ?? Date.now() & 0x7fff_ffff);

const BUFFER = 4096;

type Step =
  | {
      readonly do: "add";
      readonly readable: readonly number[];
      readonly writable: readonly number[];
    }
  | { readonly do: "publish" | "take" | "show" | "arm" | "disarm" }
  | { readonly do: "complete"; readonly which: number; readonly written: number }
  | { readonly do: "poll"; readonly max: number };

const length = fc.integer({ min: 1, max: 40 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record<Step & { do: "add" }>({
        do: fc.constant("add"),
        readable: fc.array(length, { maxLength: 6 }),
        writable: fc.array(length, { maxLength: 6 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.constantFrom<Step>({ do: "publish" }, { do: "take" }, { do: "show" }),
    },
    { weight: 1, arbitrary: fc.constantFrom<Step>({ do: "arm" }, { do: "disarm" }) },
    {
      weight: 4,
      arbitrary: fc.record<Step & { do: "complete" }>({
        do: fc.constant("complete"),
        which: fc.nat(),
        written: fc.nat(400),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: "poll" }>({
        do: fc.constant("poll"),
        max: fc.integer({ min: 1, max: 20 }),
      }),
    },
  ),
  { maxLength: 150, size: "max" },
);

/** A request as the plain queues below hold it. */
interface Request {
  readonly token: number;
  readonly readable: number;
  readonly writable: number;
  readonly cost: number;
  written: number;
}

/** Walks through the steps with the rings and with plain arrays, comparing what both give. */
function compare(
  options: Required<Pick<RingOptions, "size" | "indirect" | "eventIdx">> & { packed: boolean },
  list: readonly Step[],
): void {
  const { memory, table, driver, device } = makeRingsOfFormat({
    ...options,
    indirectSegments: 4,
  });
  try {
    const { guestAddress } = memory.allocate(BUFFER);
    const segments = new SegmentList(12);
    const chain = createChainCursor();
    const added: Request[] = [];
    const available: Request[] = [];
    const taken: { request: Request; id: number }[] = [];
    const completed: Request[] = [];
    const used: Request[] = [];
    let free = options.size;
    // Asked to be woken and not woken since: the next thing that comes must be announced.
    let deviceSleeps = false;
    let driverSleeps = false;
    let token = 0;
    for (const step of list) {
      if (step.do === "add") {
        const lengths = [...step.readable, ...step.writable];
        segments.clear();
        lengths.forEach((bytes, i) => segments.push(guestAddress + i * 64, bytes));
        const cost =
          options.indirect && lengths.length > 1 && lengths.length <= 4 ? 1 : lengths.length;
        const fits = lengths.length > 0 && cost <= free;
        assert.equal(driver.add(segments, step.readable.length, token), fits);
        if (!fits) continue;
        const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);
        added.push({
          token,
          readable: sum(step.readable),
          writable: sum(step.writable),
          cost,
          written: 0,
        });
        free -= cost;
        token += 1;
      } else if (step.do === "publish") {
        const kick = driver.publish();
        if (added.length === 0) assert.equal(kick, false);
        else if (deviceSleeps) assert.equal(kick, true, "a kick for a device that sleeps");
        if (kick) deviceSleeps = false;
        available.push(...added.splice(0));
      } else if (step.do === "take") {
        const request = available.shift();
        assert.equal(device.next(chain), request !== undefined);
        if (request === undefined) continue;
        assert.equal(chain.readableBytes, request.readable);
        assert.equal(chain.writableBytes, request.writable);
        taken.push({ request, id: chain.id });
      } else if (step.do === "complete") {
        const [one] = taken.splice(taken.length === 0 ? 0 : step.which % taken.length, 1);
        if (one === undefined) continue;
        one.request.written = Math.min(step.written, one.request.writable);
        device.complete(one.id, one.request.written);
        completed.push(one.request);
      } else if (step.do === "show") {
        const call = device.publish();
        if (completed.length === 0) assert.equal(call, false);
        else if (driverSleeps) assert.equal(call, true, "a call for a driver that sleeps");
        if (call) driverSleeps = false;
        used.push(...completed.splice(0));
      } else if (step.do === "poll") {
        const got: [number, number][] = [];
        driver.poll((given, written) => got.push([given, written]), step.max);
        const want = used.splice(0, step.max);
        for (const { cost } of want) free += cost;
        assert.deepEqual(
          got,
          want.map((request) => [request.token, request.written]),
        );
      } else if (step.do === "arm") {
        driverSleeps = driver.arm();
        assert.equal(driverSleeps, used.length === 0);
        deviceSleeps = device.arm();
        assert.equal(deviceSleeps, available.length === 0);
      } else {
        driver.disarm();
        device.disarm();
        driverSleeps = false;
        deviceSleeps = false;
      }
      assert.equal(
        driver.outstanding,
        added.length + available.length + taken.length + completed.length + used.length,
      );
      assert.equal(device.inFlight, taken.length);
    }
    assert.equal(driver.broken, undefined);
    assert.equal(device.broken, undefined);
    assert.equal(driver.overlongCompletions, 0);
  } finally {
    table.close();
    memory.close();
  }
}

const sizes = { split: [1, 2, 4, 8, 256], packed: [1, 2, 3, 7, 8, 256] };
const shapes = Object.entries(sizes).flatMap(([format, all]) =>
  all.map((size) => ({ size, packed: format === "packed" })),
);

for (const { size, packed } of shapes) {
  for (const indirect of [false, true]) {
    for (const eventIdx of [false, true]) {
      const name = `${packed ? "packed" : "split"}, size ${size}, ${indirect ? "indirect" : "direct"}, ${eventIdx ? "event index" : "flags"}`;
      test(`both halves behave like a plain queue (${name}, VHOST_USER_SEED=${seed})`, () => {
        const property = fc.property(steps, (list) =>
          compare({ size, packed, indirect, eventIdx }, list),
        );
        fc.assert(property, { seed, numRuns: 100 });
      });
    }
  }
}
