import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RingOptions } from "../../../../src/endpoints/backend/index.ts";
import { BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { RING_MODES } from "../../../../src/core/runtime/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../support/session.ts";

guardLeaks();

function serveRings(t: TestContext, rings: RingOptions, queues = 1) {
  return serveDisk(t, (options) => ({ ...options, rings }), queues);
}

for (const workers of [false, true]) {
  for (const mode of RING_MODES) {
    for (const packed of [false, true]) {
      const name = `${packed ? "packed" : "split"} ring, ${mode}, ${workers ? "in a worker" : "on the loop"}`;
      test(`what is written is read back: ${name}`, async (t) => {
        const served = await serveRings(t, { workers, ringMode: mode });

        const client = await connectDisk(t, served, { packed });
        assert.equal(client.ringFeatures.packed, packed);
        const driver = await BlockDriver.start(client, SMALL);
        const written = Array.from({ length: 64 }, (_, i) => pattern(i));
        await Promise.all(written.map((data, i) => driver.write(i * 4096, data)));
        await driver.flush();
        for (const [i, data] of written.entries()) {
          assert.deepEqual(await driver.read(i * 4096, 4096), data);
        }
        assert.deepEqual(served.problems, []);
      });
    }
  }
}
