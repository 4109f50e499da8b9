import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { SharedMemory } from "../../../../src/core/os/index.ts";
import { fileSystemOf } from "../../../../src/lab/rings/file-system.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";

guardLeaks();

test("the file system of a descriptor is known without asking it", () => {
  const file = openSync("/proc/self/status", "r");
  assert.equal(fileSystemOf(file), "proc");
  closeSync(file);
  assert.equal(fileSystemOf(file), undefined);
  const memory = SharedMemory.create("guest", 4096);
  assert.equal(fileSystemOf(memory.fd.fd), undefined);
  memory.fd.close();
});
