import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RingFeatures } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { LocalDevice } from "../../support/device-side.ts";
import {
  AREA_BYTES,
  countCommands,
  type DeviceSide,
  ringCommands,
  RingModel,
  runCommands,
  TABLE_SEGMENTS,
} from "../../support/ring-model.ts";
import { startRingProcess } from "../../support/ring-process.ts";
import { type Rings, openRings } from "../../support/rings.ts";

guardLeaks();

/** To be set to what a failure prints, in order to see it again. */
const seed = Number(process.env["VHOST_USER_SEED"] ?? Date.now() & 0x7fff_ffff);

const RUNS = 110;
/** As many more take a message each way for most of their commands. */
const RUNS_ACROSS = 12;
const MAX_COMMANDS = 160;
const MEMORY_BYTES = 1 << 20;
const sizes = { split: [1, 2, 4, 8, 256], packed: [1, 2, 3, 7, 8, 256] };

/** Every combination, with its name. */
const combinations = (["split", "packed"] as const).flatMap((format) =>
  [false, true].flatMap((indirect) =>
    [false, true].flatMap((eventIdx) =>
      [false, true].map((inOrder) => ({
        format,
        features: { packed: format === "packed", indirect, eventIdx, inOrder },
        name: [
          format,
          indirect ? "indirect" : "direct",
          eventIdx ? "event index" : "flags",
          inOrder ? "in order" : "in any order",
        ].join(", "),
      })),
    ),
  ),
);

/** The driver half here, the device half where `deviceFor` has it. */
async function behavesLikeAQueue(
  { format, features, name }: (typeof combinations)[number],
  numRuns: number,
  deviceFor: (rings: Rings, features: RingFeatures) => Promise<DeviceSide> | DeviceSide,
): Promise<void> {
  const property = fc.asyncProperty(
    fc.constantFrom(...sizes[format]),
    fc.constantFrom(1, 4),
    ringCommands(MAX_COMMANDS),
    async (size, regions, commands) => {
      const bytes = MEMORY_BYTES;
      const indirectSegments = TABLE_SEGMENTS;
      const rings = openRings({ ...features, size, regions, bytes, indirectSegments });
      const { memory, table, driver } = rings;
      try {
        // Around the end of the first region; rings and tables are at its beginning.
        const area = (memory.regions[0]?.start ?? 0) + bytes / 4 - 4096;
        assert.ok(area + AREA_BYTES <= (table.regions.at(-1)?.end ?? 0));
        const model = new RingModel({ size, ...features });
        const device = await deviceFor(rings, features);
        await runCommands(commands, model, { driver, device, memory, area });
      } finally {
        table.close();
        memory.close();
      }
    },
  );
  // A seed for each combination: with one for all, a draw of short runs is a draw for all of them.
  const own = seed + combinations.findIndex((each) => each.name === name);
  await fc.assert(property, { seed: own, numRuns });
}

for (const combination of combinations) {
  test(`both halves behave like a plain queue (${combination.name}, VHOST_USER_SEED=${seed})`, () =>
    behavesLikeAQueue(combination, RUNS, ({ device }) => new LocalDevice(device)));
}

test(`and so they do in two processes (all combinations, VHOST_USER_SEED=${seed})`, async () => {
  const before = countCommands();
  const remote = startRingProcess();
  try {
    for (const combination of combinations) {
      await behavesLikeAQueue(combination, RUNS_ACROSS, async ({ memory, driver }, features) => {
        await remote.setUp(memory, driver, features);
        return remote;
      });
    }
  } finally {
    await remote.end();
  }
  assert.ok(countCommands() - before >= 10_000, `only ${countCommands() - before}`);
});

test("a run is of at least 100,000 commands", (t) => {
  t.diagnostic(`${countCommands()} commands, VHOST_USER_SEED=${seed}`);
  assert.ok(countCommands() >= 100_000, `only ${countCommands()}`);
});
