import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { UnixListener } from "../../src/core/os/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import {
  busyListener,
  needsUnprivilegedUser,
  unprivilegedUser,
  rawListener,
  type Result,
  Workspace,
} from "./support/index.ts";

guardLeaks();

const commands = {
  probe: (socket: string) => ["probe", socket],
  "io block id": (socket: string) => ["io", "block", "id", socket],
  "io block verify": (socket: string) => ["io", "block", "verify", socket],
};
const me = `pid ${process.pid} \\(node\\)`;

function expectFailure({ code, stdout, stderr }: Result, exitCode: number, says: RegExp): void {
  assert.match(stderr, says);
  assert.equal(stdout, "");
  assert.equal(code, exitCode);
  assert.doesNotMatch(stderr, /^\s+at /m, "a stack trace");
}

for (const [name, command] of Object.entries(commands)) {
  test(`${name}: a path that is missing`, async (t) => {
    const space = new Workspace(t);
    const result = await space.run(command("none.sock"));
    expectFailure(
      result,
      3,
      /none\.sock: no program listens there: .* no such file; start the other/,
    );
  });

  test(`${name}: a regular file, which stays as it is`, async (t) => {
    const space = new Workspace(t);
    const path = space.file("notes", "mine");
    expectFailure(
      await space.run(command(path)),
      3,
      /it is a regular file and not a socket; name the/,
    );
    assert.equal(readFileSync(path, "utf8"), "mine");
  });

  test(`${name}: a folder`, async (t) => {
    const space = new Workspace(t);
    const result = await space.run(command(space.folder));
    expectFailure(result, 3, /it is a directory and not a socket; name the/);
  });

  test(`${name}: a path below a file`, async (t) => {
    const space = new Workspace(t);
    const result = await space.run(command(`${space.file("notes", "mine")}/x.sock`));
    expectFailure(result, 3, /x\.sock: .* is a file and not a folder; name the/);
  });

  test(`${name}: a socket without a listener`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve();
    await server.stop("SIGKILL");
    assert.ok(existsSync(socket));
    expectFailure(
      await space.run(command(socket)),
      3,
      /no program listens on this socket .*; start the other side/,
    );
    assert.ok(existsSync(socket), "it is not ours to remove");
  });

  test(`${name}: a path of more than 107 bytes`, async (t) => {
    const space = new Workspace(t);
    const result = await space.run(command("x".repeat(108)));
    expectFailure(result, 2, /a socket path may have 107 bytes, this one has 108.*; choose a/);
    expectFailure(await space.run(command("é".repeat(54))), 2, /107 bytes, this one has 108/);
    expectFailure(await space.run(command("x".repeat(107))), 3, /no such file/);
    expectFailure(await space.run(command("")), 2, /must not be empty/);
  });

  test(
    `${name}: a socket that this user may not open`,
    { skip: needsUnprivilegedUser() },
    async (t) => {
      const space = new Workspace(t);
      chmodSync(space.folder, 0o755);
      const { socket } = await space.serve();
      const result = await space.run(command(socket), { wrapper: unprivilegedUser });
      expectFailure(result, 4, /Permission denied: .*lacks write permission on the socket/);
    },
  );

  test(
    `${name}: a socket in a folder that this user may not enter`,
    { skip: needsUnprivilegedUser() },
    async (t) => {
      const space = new Workspace(t);
      chmodSync(space.folder, 0o755);
      mkdirSync(space.path("private"), { mode: 0o700 });
      chownSync(space.path("private"), 0, 0);
      using _listener = UnixListener.listen(space.path("private/s"));
      const result = await space.run(command(space.path("private/s")), {
        wrapper: unprivilegedUser,
      });
      expectFailure(result, 4, /Permission denied: .*search permission on its folders/);
    },
  );

  test(`${name}: a listener that accepts no connection is named`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("busy.sock");
    await busyListener(t, path);
    const result = await space.run([...command("busy.sock"), "--timeout", "300ms"]);
    expectFailure(result, 3, new RegExp(`backlog stayed full for 300 ms.*; .*`));
    const absolute = await space.run([...command(path), "--timeout", "300ms"]);
    expectFailure(absolute, 3, new RegExp(`accepts no connection; listener is ${me}`));
  });

  test(`${name}: a peer that never answers is named`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("silent.sock");
    await rawListener(t, path, (socket) => socket.resume());
    const result = await space.run([...command(path), "--timeout", "300ms"]);
    expectFailure(
      result,
      3,
      new RegExp(`VHOST_USER_GET_FEATURES.* 300 ms.*peer is ${me}: it may be busy.*; give it`),
    );
  });

  test(`${name}: a peer that answers with garbage`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("web.sock");
    const page = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    await rawListener(t, path, (socket) => socket.once("data", () => socket.write(page)));
    const result = await space.run(command(path));
    expectFailure(
      result,
      3,
      /expected .*, the header announces .*\nis this the socket of a vhost-user peer\?/,
    );
  });

  test(`${name}: a peer that closes at once`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("closing.sock");
    await rawListener(t, path, (socket) => socket.destroy());
    expectFailure(await space.run(command(path)), 3, /clos/);
  });

  test(`${name}: a peer that closes in the middle of its answer`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("closing.sock");
    await rawListener(t, path, (socket) =>
      socket.once("data", () => socket.end(Buffer.from("010000000500", "hex"))),
    );
    expectFailure(await space.run(command(path)), 3, /clos/);
  });
}

test("probe: garbage before anything was asked", async (t) => {
  const space = new Workspace(t);
  const path = space.path("ssh.sock");
  await rawListener(t, path, (socket) => socket.write("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"));
  expectFailure(await space.run(["probe", path]), 3, /expected .*, the header announces /);
});

test("probe: a front-end that takes longer than the role's wait is still one", async (t) => {
  const space = new Workspace(t);
  const path = space.path("slow.sock");
  const acknowledged = Buffer.from("100000000100000008000000ff00000000000000", "hex");
  let connections = 0;
  await rawListener(t, path, (socket) => {
    connections += 1;
    // Its first request comes only once it was asked: that is after the wait.
    const first = Buffer.from("010000000100000000000000", "hex");
    const speak = (): void => {
      socket.write(Buffer.concat([first, Buffer.from("0f0000000100000000000000", "hex")]));
      socket.write(acknowledged);
    };
    if (connections === 1) socket.once("data", speak);
    else speak();
    socket.resume();
  });
  const { code, stdout, stderr } = await space.run(["probe", path, "--json"]);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  const result = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(result["role"], "front-end");
  assert.equal(result["protocolFeatureBits"], "0xff");
  assert.equal(connections, 2);
});
