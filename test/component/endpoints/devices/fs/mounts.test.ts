/** Two file systems below a share, whose files have equal inode numbers on this machine. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import { FsDevice, SharedFolder } from "../../../../../src/endpoints/devices/fs/index.ts";
import { fsKind } from "../../../../../src/endpoints/devices/fs/kind.ts";
import {
  checks,
  knownDevice,
  runCheck,
  SocketTarget,
  survey,
  timesOf,
} from "../../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

/** For a test's `skip`: false where this process may mount file systems, else the reason. */
function needsMount(): string | false {
  if (process.getuid?.() !== 0) return "mounting needs root";
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", folder], { stdio: "pipe" });
    execFileSync("umount", [folder], { stdio: "pipe" });
    return false;
  } catch (error) {
    return `this process may not mount file systems: ${String(error)}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * A folder with two mounts, each of which has files.
 *
 * @param release what has to be closed before they are removed
 */
function folderOfMounts(t: TestContext, release: () => Promise<void>): string {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-mounts-"));
  const mounts = ["a", "b"].map((name) => join(folder, name));
  t.after(async () => {
    await release();
    for (const mount of mounts) execFileSync("umount", [mount]);
    rmSync(folder, { recursive: true });
  });
  for (const mount of mounts) {
    mkdirSync(mount);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", mount]);
    for (const name of ["f", "g"]) writeFileSync(join(mount, name), `${mount} ${name}`);
  }
  return folder;
}

test(
  "files on two file systems below a share have different inode numbers",
  { skip: needsMount() },
  async (t) => {
    let release = async (): Promise<void> => undefined;
    const folder = folderOfMounts(t, async () => release());
    const inode = (path: string): number => statSync(join(folder, path)).ino;
    assert.equal(inode("a/f"), inode("b/f"), "the test needs equal numbers to begin with");
    const shared = SharedFolder.open(folder);
    const socket = `${folder}.sock`;
    const server = await BackendServer.listen(socket, {
      device: () => new FsDevice({ folder: shared }),
    });
    const target = new SocketTarget(socket);
    release = async () => {
      await target.close();
      const ended = [...server.sessions].map(async ({ closed }) => closed);
      server.close();
      await Promise.all(ended);
      await until(() => shared.descriptors === 0, "the end of the device");
      shared.close();
    };
    const times = timesOf(5);
    const facts = await survey(target, times, () => knownDevice(fsKind));
    const check = checks.find(({ id }) => id === "fs/18");
    assert.ok(check);
    const result = await runCheck(check, { target, facts, times, seed: 1 });
    assert.equal(result.verdict, "PASS", result.reason);
    assert.match(result.values.join(), /^7 files looked up$/, readdirSync(folder).join());
  },
);
