import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { EnvironmentError } from "../../src/core/base/index.ts";
import { type Finding, judgeKvm, Ledger } from "../../src/lab/programs/index.ts";
import { needsRoot } from "../programs/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { ServerSpace } from "./support/servers.ts";

guardLeaks();

interface Checked {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** Without QEMU in its PATH nothing is measured: the rest is the same everywhere. */
function bareEnvironment(space: ServerSpace): Record<string, string> {
  mkdirSync(space.path("bin"));
  symlinkSync(process.execPath, space.path("bin/node"));
  return { PATH: space.path("bin") };
}

test("check looks at everything that is needed, and says what it is for", async (t) => {
  const space = new ServerSpace(t);
  const env = bareEnvironment(space);
  const { stdout } = await space.command(["check", "--json"], { env }).result;
  const { findings } = parseDocument<Checked>("check", stdout);
  assert.deepEqual(
    findings.map(({ name }) => name),
    [
      "Node",
      "addon",
      "qemu-system-x86_64",
      "memory",
      "KVM",
      "qemu-storage-daemon",
      "virtiofsd",
      "dpdk-testpmd",
      "guest kernel and busybox",
      "linux.uml",
      "C compiler",
      "open files",
      "shared memory",
      "root",
    ],
  );
  const required = findings.filter((finding) => finding.required).map(({ name }) => name);
  assert.deepEqual(required, ["Node", "addon", "qemu-system-x86_64", "memory"]);
  for (const { purpose, detail } of findings) assert.ok(purpose !== "" && detail !== "");
});

test("check without QEMU says how to install it on three distributions, and exits with 1", async (t) => {
  const space = new ServerSpace(t);
  const { code, stdout } = await space.command(["check"], { env: bareEnvironment(space) }).result;
  assert.equal(code, 1);
  assert.match(stdout, /^✗ qemu-system-x86_64 +qemu-system-x86_64 not found \[required: .*\]$/m);
  for (const line of [
    "    Debian/Ubuntu: sudo apt-get install -y qemu-system-x86",
    "    Fedora: sudo dnf install -y qemu-system-x86-core",
    "    CentOS: sudo dnf install -y qemu-kvm",
  ]) {
    assert.ok(stdout.split("\n").includes(line), line);
  }
  assert.match(stdout, /\nrequired and missing: qemu-system-x86_64\n$/);
});

test("check finds QEMU where the variable QEMU says it is, and exits with 0", async (t) => {
  // It ends at once: KVM, if there is any, is not usable.
  const space = new ServerSpace(t, "fail");
  const { code, stdout } = await space.command(["check"], {
    env: { ...bareEnvironment(space), FAKE_QEMU: "fail" },
  }).result;
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^✓ qemu-system-x86_64 +\/.*\/fake-qemu$/m);
  assert.match(stdout, /^- KVM /m);
  assert.match(stdout, /\neverything that is required is there\n$/);
});

test("KVM without a device, or without a permission on it, is not tried", async (t) => {
  const space = new ServerSpace(t, "listen");
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: space.path("run") });
  const missing = await judgeKvm(ledger, "/nowhere", { device: space.path("kvm") });
  assert.equal(missing.usable, false);
  assert.match(missing.reason, /^there is no \/.*\/kvm: virtualization is off/);
});

test("a user who may not open /dev/kvm gets the remedy", { skip: needsRoot() }, async (t) => {
  const space = new ServerSpace(t, "listen");
  writeFileSync(space.path("kvm"), "", { mode: 0o600 });
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: space.path("run") });
  process.seteuid?.(65534);
  try {
    const { reason } = await judgeKvm(ledger, "/nowhere", { device: space.path("kvm") });
    // The folder of the test is root's, too.
    assert.match(reason, /^no permission on .*: sudo usermod -aG kvm "\$USER", then log in again$/);
  } finally {
    process.seteuid?.(0);
  }
});

test("a QEMU that cannot boot anything gives no comparison, and is asked again only when it changes", async (t) => {
  const space = new ServerSpace(t, "fail");
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: space.path("run") });
  const device = space.file("kvm", "");
  const fake = space.path("fake-qemu");
  writeFileSync(fake, `#!/bin/sh\necho x >>${space.path("runs")}\nexit 3\n`, { mode: 0o755 });
  const first = await judgeKvm(ledger, fake, { device });
  assert.equal(first.usable, false);
  assert.match(first.reason, /did not end under TCG: no comparison/);
  writeFileSync(space.path("runs"), "");
  assert.deepEqual(await judgeKvm(ledger, fake, { device }), first);
  assert.equal(readFileSync(space.path("runs"), "utf8"), "");
});

test("an interrupted trial of KVM leaves nothing", async (t) => {
  const space = new ServerSpace(t, "never-listen");
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: space.path("run") });
  const device = space.file("kvm", "");
  const controller = new AbortController();
  const trial = judgeKvm(ledger, space.path("fake-qemu"), { device, signal: controller.signal });
  controller.abort(new EnvironmentError("enough"));
  await assert.rejects(trial, /enough/);
  space.assertNothingLeft();
});
