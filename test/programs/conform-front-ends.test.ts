/** QEMU's front-ends of devices for which no guest has a driver here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fullCount } from "../support/full-count.ts";
import { guardLeaksOfFile } from "../support/leak-guard.ts";
import { judgedFrontend, qemu, unexpected } from "./support/conform.ts";
import { needsProgram } from "./support/index.ts";
import { qemuDevice, WITHOUT_RINGS } from "./support/qemu-devices.ts";

guardLeaksOfFile();

// They mostly wait.
describe("QEMU's front-ends without a driver", { concurrency: 6 }, () => {
  for (const [name, baseline] of [
    ["fs", "qemu-7.2"],
    ["gpio", "qemu-vhost-user-gpio-7.2"],
    ["i2c", "qemu-7.2"],
    ["rng", "qemu-vhost-user-rng-7.2"],
    ["scsi", "qemu-7.2"],
    ["vsock", "qemu-vhost-user-vsock-7.2"],
  ] as const) {
    test(
      `that of ${name} devices is judged as its baseline says`,
      { skip: needsProgram("qemu-system-x86_64") },
      async () => {
        const { device, options, kit } = qemuDevice(name);
        const only = fullCount(2, 1) === 1 ? { only: WITHOUT_RINGS } : {};
        const command = qemu(options, "qemu-system-x86_64", false);
        const results = await judgedFrontend(device, command, { kit, ...only });
        assert.deepEqual(unexpected(results, baseline), []);
        assert.ok(results.some(({ verdict }) => verdict === "PASS" || verdict === "FAIL"));
      },
    );
  }
});
