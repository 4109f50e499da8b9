import assert from "node:assert/strict";
import { test } from "node:test";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("qemu-system-x86_64", "qemu-storage-daemon");

test("test qemu passes with the real programs", { skip }, async (t) => {
  const space = new Workspace(t);
  const { code, stdout, stderr } = await space.run(["test", "qemu"], { env: { CI: "true" } });
  assert.equal(code, 0, stderr + stdout);
  for (const title of [
    "QEMU vhost-user server is running",
    "Can connect to QEMU vhost-user socket",
    "Vhost-user protocol communication works with QEMU",
    "Data written through the client is in the image",
    "Frames of QEMU's boot ROM arrive and are decoded (DHCP)",
    "Five connections at once to QEMU are served one after another",
  ]) {
    assert.ok(stdout.includes(`✓ PASS: ${title}\n`), stdout);
  }
  const [, total, passed] = /^Total tests: (\d+), Passed: (\d+), Failed: 0$/m.exec(stdout) ?? [];
  assert.ok(total);
  assert.equal(passed, total);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} while QEMU runs leaves neither it nor its socket`, { skip }, async (t) => {
    const space = new Workspace(t);
    const running = space.start(["test", "qemu"]);
    await running.printed(/PASS: QEMU vhost-user server is running/);
    const { code } = await running.stop(signal);
    assert.equal(code, signal === "SIGINT" ? 130 : 143);
    assert.deepEqual(space.survivors(), []);
    assert.deepEqual(space.temporaryFiles, []);
  });
}
