/** QEMU 10's front-ends of devices for which no guest has a driver here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judgedFrontend, unexpected } from "../programs/support/conform.ts";
import { qemuDevice } from "../programs/support/qemu-devices.ts";
import { guardLeaksOfFile } from "../support/leak-guard.ts";
import { needsInTree, qemuInTree } from "./support/index.ts";

guardLeaksOfFile();

/** Waits for a ring several times, and none starts without a driver. */
const SLOWEST = ["fe/35"];

// They mostly wait.
describe("QEMU 10's front-ends without a driver", { concurrency: 7 }, () => {
  for (const [name, baseline] of [
    ["fs", "qemu-10.0"],
    ["gpio", "qemu-vhost-user-gpio-10.0"],
    ["i2c", "qemu-vhost-user-rng-10.0"],
    ["rng", "qemu-vhost-user-rng-10.0"],
    ["scsi", "qemu-10.0"],
    ["snd", "qemu-vhost-user-gpio-10.0"],
    ["vsock", "qemu-vhost-user-vsock-10.0"],
  ] as const) {
    test(
      `that of ${name} devices is judged as its baseline says`,
      { skip: needsInTree("usr/bin/qemu-system-x86_64") },
      async () => {
        const { device, options, kit } = qemuDevice(name);
        const command = qemuInTree(options, false);
        const results = await judgedFrontend(device, command, { kit, except: SLOWEST });
        assert.deepEqual(unexpected(results, baseline), []);
        assert.ok(results.some(({ verdict }) => verdict === "PASS"));
      },
    );
  }
});
