import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { test } from "node:test";
import { UnixListener } from "../../src/core/os/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import {
  needsUnprivilegedUser,
  unprivilegedUser,
  type Result,
  Workspace,
} from "./support/index.ts";

guardLeaks();

test("SIGUSR1 says which file is served when the image was replaced or removed", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.alloc(1 << 20));
  const { socket, server } = await space.serve(["--image", image]);
  server.signal("SIGUSR1");
  await server.printed(/^still 1 MiB$/m);
  renameSync(space.file("new.img", Buffer.alloc(2 << 20)), image);
  server.signal("SIGUSR1");
  const kept = "; the old file is still served until serve is started again";
  await server.printed(new RegExp(`^still 1 MiB: ${image} is another file now${kept}$`, "m"));
  rmSync(image);
  server.signal("SIGUSR1");
  await server.printed(new RegExp(`^still 1 MiB: ${image} no longer exists${kept}$`, "m"));
  const { stdout } = await space.run(["probe", socket, "--json"]);
  assert.equal(JSON.parse(stdout).config.capacity, (1 << 20) / 512);
});

const isRoot = process.getuid?.() === 0;

function expectFailure({ code, stdout, stderr }: Result, exitCode: number, says: RegExp): void {
  assert.match(stderr, says);
  assert.equal(stdout, "");
  assert.equal(code, exitCode);
  assert.doesNotMatch(stderr, /^\s+at /m, "a stack trace");
}

/** What must not change about a file. */
function identity(path: string): unknown {
  const stats = lstatSync(path);
  const { ino, dev, mode, uid, size, mtimeMs } = stats;
  const content = stats.isFile() ? readFileSync(path, "utf8") : "";
  const target = stats.isSymbolicLink() ? readlinkSync(path) : "";
  return { ino, dev, mode, uid, size, mtimeMs, content, target };
}

const occupants: Readonly<
  Record<string, { make: (space: Workspace, path: string) => void; says: RegExp }>
> = {
  "a regular file": {
    make: (space) => space.file("taken", "mine"),
    says: /taken is an existing file and not a socket; it was left alone: choose/,
  },
  "a folder": { make: (_space, path) => mkdirSync(path), says: /left alone/ },
  "a symlink to nowhere": {
    make: (space, path) => symlinkSync(space.path("nowhere"), path),
    says: /left alone/,
  },
  "a symlink to a file": {
    make: (space, path) => symlinkSync(space.file("target", "mine"), path),
    says: /left alone/,
  },
};
for (const [name, { make, says }] of Object.entries(occupants)) {
  test(`serve leaves alone ${name} where its socket should be`, async (t) => {
    const space = new Workspace(t);
    const path = space.path("taken");
    make(space, path);
    const before = identity(path);
    for (const command of ["serve block --socket taken", "io block id taken --listen"]) {
      expectFailure(await space.run(command.split(" ")), 2, says);
      assert.deepEqual(identity(path), before);
    }
    if (existsSync(space.path("target"))) {
      assert.equal(readFileSync(space.path("target"), "utf8"), "mine");
    }
    assert.equal(existsSync(space.path("nowhere")), false);
  });
}

test("serve leaves alone a socket with a listener, also by another spelling", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve();
  const before = identity(socket);
  for (const path of [socket, "disk.sock", "./tmp/../disk.sock"]) {
    const result = await space.run(["serve", "block", "--socket", path]);
    expectFailure(
      result,
      2,
      /another program listens on this socket; stop it or choose another path/,
    );
  }
  assert.deepEqual(identity(socket), before);
  assert.equal((await space.run(["io", "block", "id", socket])).code, 0);
});

test(
  "serve leaves alone the stale socket of another user",
  { skip: isRoot ? false : "needs root, to give a file away" },
  async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve();
    await server.stop("SIGKILL");
    lchownSync(socket, 65_534, 65_534);
    const before = identity(socket);
    const result = await space.run(["serve", "block", "--socket", socket]);
    expectFailure(result, 2, /is a socket of another user \(uid 65534\)/);
    assert.deepEqual(identity(socket), before);
  },
);

test("serve replaces a stale socket of ours", async (t) => {
  const space = new Workspace(t);
  const first = await space.serve();
  await first.server.stop("SIGKILL");
  assert.ok(existsSync(first.socket));
  const { socket } = await space.serve();
  assert.equal((await space.run(["io", "block", "id", socket])).stdout, "vhost-user\n");
});

test("serve's socket is for its user alone, and goes with it", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve();
  assert.equal(lstatSync(socket).mode & 0o777, 0o600);
  assert.equal((await server.stop("SIGTERM")).code, 0);
  assert.equal(existsSync(socket), false);
});

test("serve does not remove what took its socket's place", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve();
  const mine = space.file("mine", "mine");
  renameSync(mine, socket);
  assert.equal((await server.stop("SIGTERM")).code, 0);
  assert.equal(readFileSync(socket, "utf8"), "mine");
});

test("serve in a folder that does not exist, or below a file", async (t) => {
  const space = new Workspace(t);
  space.file("file", "");
  const cases = [
    [
      "none/disk.sock",
      /cannot make the socket, there is no folder none; make it first: mkdir -p none/,
    ],
    ["file/disk.sock", /cannot make the socket, file is a file and not a folder; choose another/],
  ] as const;
  for (const [path, says] of cases) {
    expectFailure(await space.run(["serve", "block", "--socket", path]), 2, says);
  }
});

test(
  "serve in a folder that this user may not write to",
  { skip: needsUnprivilegedUser() },
  async (t) => {
    const space = new Workspace(t);
    chmodSync(space.folder, 0o755);
    const args = ["serve", "block", "--socket", space.path("disk.sock")];
    expectFailure(
      await space.run(args, { wrapper: unprivilegedUser }),
      4,
      /no permission to make a socket.*; choose a folder/,
    );
  },
);

test("serve with a socket path that is too long", async (t) => {
  const result = await new Workspace(t).run(["serve", "block", "--socket", "x".repeat(108)]);
  expectFailure(result, 2, /107 bytes, this one has 108/);
});

test("serve --connect to a path without a listener", async (t) => {
  const result = await new Workspace(t).run(["serve", "block", "--connect", "none.sock"]);
  expectFailure(result, 3, /none\.sock: no program listens there: there is no such file/);
});

test("an image that is missing, empty, no whole sectors, a folder, or a pipe", async (t) => {
  const space = new Workspace(t);
  space.file("empty.img", "");
  space.file("odd.img", "");
  truncateSync(space.path("odd.img"), 1000);
  mkdirSync(space.path("folder"));
  execFileSync("mkfifo", [space.path("pipe")]);
  const images: readonly (readonly [string, RegExp])[] = [
    ["none.img", /none\.img.*no such file/],
    [
      "empty.img",
      /empty\.img: the size of an image must be a positive multiple of 512 bytes, not 0; make it longer with: truncate -s 64M empty\.img/,
    ],
    [
      "odd.img",
      /odd\.img: the size of an image must be a positive multiple of 512 bytes, not 1000; make it longer with: truncate -s %512 odd\.img/,
    ],
    ["folder", /folder/],
    ["pipe", /pipe is not a regular file/],
  ];
  for (const [image, says] of images) {
    const args = ["serve", "block", "--socket", "disk.sock", "--image", image];
    expectFailure(await space.run(args), 2, says);
    expectFailure(await space.run([...args, "--read-only"]), 2, says);
    assert.equal(existsSync(space.path("disk.sock")), false);
  }
});

test(
  "an image that this user may not read, or not write",
  { skip: needsUnprivilegedUser() },
  async (t) => {
    const space = new Workspace(t);
    chmodSync(space.folder, 0o777);
    const image = space.file("disk.img", new Uint8Array(4096));
    const args = ["serve", "block", "--socket", "disk.sock", "--image", image];
    chmodSync(image, 0o600);
    expectFailure(
      await space.run(args, { wrapper: unprivilegedUser }),
      4,
      /disk\.img cannot be used as a .* image: .*permission denied/,
    );
    chmodSync(image, 0o644);
    expectFailure(
      await space.run(args, { wrapper: unprivilegedUser }),
      4,
      /disk\.img cannot be used as a .* image: .*permission denied/,
    );
    const reading = space.start([...args, "--read-only"], { wrapper: unprivilegedUser });
    await reading.printed(/listening on .*read-only/);
    assert.equal((await reading.stop("SIGTERM")).code, 0);
  },
);

test("a stale socket's name is not taken from a listener that came in between", async (t) => {
  const space = new Workspace(t);
  using listener = UnixListener.listen(space.path("disk.sock"));
  const result = await space.run(["serve", "block", "--socket", "disk.sock"]);
  expectFailure(result, 2, /another program listens on this socket/);
  assert.equal(listener.closed, false);
});
