import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { addon, isListening, UnixListener, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

test("accepts waiting connections, then returns undefined", async (t) => {
  const path = join(temporaryFolder(t), "s");
  using listener = UnixListener.listen(path);
  assert.equal(listener.accept(), undefined);
  using client = await UnixSocket.connect(path);
  using server = listener.accept();
  assert.ok(server);
  assert.equal(listener.accept(), undefined);
  client.send(new Uint8Array([7]), 0, 1);
  const buffer = new Uint8Array(1);
  assert.equal(server.receive(buffer, 0, 1, []), 1);
  assert.equal(buffer[0], 7);
});

test("the path has mode 0600, or the mode that was asked for, whatever the umask", (t) => {
  const folder = temporaryFolder(t);
  const before = process.umask();
  t.after(() => process.umask(before));
  for (const umask of [0, 0o022, 0o277, 0o777]) {
    process.umask(umask);
    for (const mode of [undefined, 0o600, 0o660, 0o777, 0o200]) {
      using listener = UnixListener.listen(join(folder, "s"), { mode });
      const found = statSync(listener.path).mode & 0o7777;
      assert.equal(found.toString(8), (mode ?? 0o600).toString(8), `umask 0${umask.toString(8)}`);
    }
  }
});

test("the path has the group that was asked for, or none is made", (t) => {
  const path = join(temporaryFolder(t), "s");
  const group = process.getuid?.() === 0 ? 65_534 : (process.getgroups?.().at(-1) ?? 0);
  {
    using listener = UnixListener.listen(path, { mode: 0o660, group });
    const { gid, mode } = statSync(listener.path);
    assert.deepEqual({ gid, mode: mode & 0o7777 }, { gid: group, mode: 0o660 });
  }
  assert.throws(() => UnixListener.listen(path, { group: -1 }), TypeError);
  if (process.getuid?.() !== 0) assert.throws(() => UnixListener.listen(path, { group: 0 }));
  assert.equal(existsSync(path), false);
});

test("an existing path is EADDRINUSE and stays, also the one of a listener that died", async (t) => {
  const path = join(temporaryFolder(t), "s");
  writeFileSync(path, "precious");
  assert.throws(() => UnixListener.listen(path), { code: "EADDRINUSE", path });
  assert.equal(readFileSync(path, "utf8"), "precious");
  rmSync(path);
  // Dies without the chance to remove its path.
  runChildWell(
    `os.UnixListener.listen(${JSON.stringify(path)}); process.kill(process.pid, 9);`.replace(
      "process.kill(process.pid, 9)",
      "process.reallyExit(0)",
    ),
  );
  await assert.rejects(UnixSocket.connect(path), { code: "ECONNREFUSED" });
  assert.throws(() => UnixListener.listen(path), { code: "EADDRINUSE" });
  assert.equal(existsSync(path), true);
});

test("closing removes the path, and is idempotent", async (t) => {
  const path = join(temporaryFolder(t), "s");
  const listener = UnixListener.listen(path);
  listener.close();
  assert.equal(existsSync(path), false);
  writeFileSync(path, "another program's");
  listener.close();
  assert.equal(existsSync(path), true);
});

test("closing leaves a path alone that was replaced meanwhile", (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "s");
  const listener = UnixListener.listen(path);
  renameSync(path, join(folder, "moved"));
  using other = UnixListener.listen(path);
  listener.close();
  assert.equal(isListening(other.path), true);
  assert.equal(existsSync(path), true);
});

test("closing is fine with a path that is gone", (t) => {
  const path = join(temporaryFolder(t), "s");
  const listener = UnixListener.listen(path);
  rmSync(path);
  listener.close();
});

test("a socket can be asked whether it listens", (t) => {
  using listener = UnixListener.listen(join(temporaryFolder(t), "s"));
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  assert.equal(addon().isListening(listener.fd), 1);
  assert.equal(addon().isListening(a.fd), 0);
});
