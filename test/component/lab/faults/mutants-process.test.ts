import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { exercise } from "../../support/exercise.ts";
import { faultTable } from "../../support/fault-table.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

const program = fileURLToPath(new URL("../../support/faulty-backend.js", import.meta.url));

/** The back-end as a process of its own: nothing of it runs between the client's steps. */
async function startBackend(t: TestContext, fault: string): Promise<string> {
  const path = join(temporaryFolder(t), "faulty.sock");
  const child = fork(program, [path, fault], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ended = once(child, "exit");
  t.after(async () => {
    if (child.connected) child.disconnect();
    const [code, signal] = await ended;
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, "the back-end did not end well");
  });
  await once(child, "message");
  return path;
}

/** Those that could do most harm to a client. */
const dangerous = [
  "wrong-size-field=2147418112",
  "cut-reply",
  "close-before-reply@GET_CONFIG",
  "no-reply@SET_VRING_KICK",
  "no-reply@SET_VRING_ADDR",
  "two-replies",
  "extra-descriptors=200@GET_CONFIG",
  "descriptors-after-first-byte",
  "backend-channel-flood=2000",
  "backend-channel-garbage",
  "used-id-out-of-range",
  "used-id-twice",
  "used-length-too-long",
  "used-index-jump",
  "never-complete",
  "spurious-calls",
];

for (const use of dangerous) {
  const wanted = faultTable.find((each) => each.use === use);
  assert.ok(wanted, `${use} is not in the table`);
  test(`${use}, from another process`, async (t) => {
    const path = await startBackend(t, use);
    const timeoutMs = wanted.lenient === "TimeoutError" ? 250 : 10_000;
    const seen = await exercise(path, { timeoutMs });
    assert.equal(seen.outcome, wanted.lenient, `${seen.stage}: ${seen.error?.message}`);
    if (seen.error && wanted.says) assert.match(seen.error.message, wanted.says);
    assert.ok(wanted.shows?.(seen) ?? true, "the fault does not show");
  });
}
