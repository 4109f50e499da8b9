import assert from "node:assert/strict";
import { test } from "node:test";
import { isVersion } from "../../../../src/app/cli/commands/conform/recognise.ts";
import { shippedBaselines } from "../../../../src/app/cli/commands/conform/shipped-baselines.ts";

test("every baseline of the package names its target, and no two name the same", () => {
  const shipped = shippedBaselines();
  assert.ok(shipped.length >= 9);
  const targets = shipped.map(({ name, baseline: { target } }) => {
    assert.ok(target, name);
    return `${target.program} ${target.version}`;
  });
  assert.equal(new Set(targets).size, targets.length);
});

test("a version is that of a baseline where it is the same, or a patch of it", () => {
  for (const [line, version, expected] of [
    ["qemu-storage-daemon version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2", true],
    ["QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)", "10.0", true],
    ["virtiofsd 1.13.2", "1.13", true],
    ["6.1.176", "6.1", true],
    ["virtiofsd 1.13", "1.13", true],
    ["virtiofsd 1.130.2", "1.13", false],
    ["qemu-storage-daemon version 17.2.1", "7.2", false],
    ["qemu-storage-daemon version 7.20", "7.2", false],
    ["usage: daemon [options]", "7.2", false],
    ["", "7.2", false],
  ] as const) {
    assert.equal(isVersion(line, version), expected, line);
  }
});
