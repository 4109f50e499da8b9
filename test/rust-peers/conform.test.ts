/** Programs on the crates of rust-vmm are judged as their baselines say. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import { judged, judgedFrontend, unexpected } from "../programs/support/conform.ts";
import { temporaryDirectory } from "../programs/support/index.ts";
import { writeImage } from "../support/disk-content.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsRustPrograms, rustProgram } from "./support/index.ts";

guardLeaks();

test(
  "a daemon on vhost-user-backend is judged as its baseline says",
  { skip: needsRustPrograms() },
  async (t) => {
    const image = join(temporaryDirectory(t), "disk.img");
    writeImage(image, 16 << 20, "noise");
    const command = `${rustProgram("block-daemon")} --socket-path={socket} --image=${image}`;
    const results = await judged(t, blockKind, command);
    assert.deepEqual(unexpected(results, "rust-vhost-user-backend-0.24"), []);
  },
);

test(
  "a front-end on vhost is judged as its baseline says",
  { skip: needsRustPrograms() },
  async () => {
    const command = `${rustProgram("block-client")} {socket} verify 600`;
    const results = await judgedFrontend(blockKind, command);
    assert.deepEqual(unexpected(results, "rust-vhost-0.18"), []);
    const verdicts = new Map(results.map(({ id, verdict }) => [id, verdict]));
    // It reads its configuration, starts a ring and waits for the answer to each request.
    for (const id of ["fe/14", "fe/15", "fe/25", "fe/30", "fe/31", "fe/32", "fe/35"]) {
      assert.equal(verdicts.get(id), "PASS", id);
    }
  },
);
