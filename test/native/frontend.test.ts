import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDriver } from "../../src/devices/block/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "./support/session.ts";

guardLeaks();

test("a ring goes on where it was stopped", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const driver = await BlockDriver.start(client, SMALL);
  const data = pattern(1);
  await driver.write(0, data);
  assert.deepEqual(await driver.read(0, 4096), data);
});
