import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { test } from "node:test";
import { findMismatch } from "../../src/lab/workloads/pattern.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { busyListener, rawListener, type Running, Workspace } from "./support/index.ts";
import { until } from "../support/until.ts";

guardLeaks();

const codes = { SIGINT: 130, SIGTERM: 143 } as const;
const signals = ["SIGINT", "SIGTERM"] as const;

/** Where a command is when the signal comes. */
const instants: Readonly<
  Record<string, (t: test.TestContext, space: Workspace) => Promise<Running>>
> = {
  "while the listener accepts no connection": async (t, space) => {
    await busyListener(t, space.path("s"));
    return startConnecting(space, "io block id s --timeout 60s");
  },
  "while a probe's peer is silent": async (t, space) => {
    const asked = new Promise<void>((resolve) => {
      void rawListener(t, space.path("s"), (socket) => socket.once("data", () => resolve()));
    });
    const running = space.start("probe s --timeout 60s".split(" "));
    await asked;
    return running;
  },
  "in the handshake": async (_t, space) => {
    await space.serve(["--fault", "no-reply@GET_CONFIG"], "s");
    const running = space.start("io block id s -v --timeout 60s".split(" "));
    await running.printed(/> .*GET_CONFIG/);
    return running;
  },
  "while it waits for a back-end to connect": async (_t, space) => {
    const running = space.start("io block id s --listen --timeout 60s".split(" "));
    await until(() => existsSync(space.path("s")));
    return running;
  },
  "in a request that never completes": async (_t, space) => {
    const { server } = await space.serve(["--fault", "never-complete", "-v"], "s");
    const running = space.start("io block id s --io-timeout 60s".split(" "));
    await server.printed(/SET_VRING_ENABLE/);
    return running;
  },
  "in a verify": async (_t, space) => {
    await space.serve(["--size", "8G"], "s");
    const running = space.start("io block verify s --depth 16 --overwrite -v".split(" "));
    await running.printed(/> .*SET_VRING_ENABLE/);
    return running;
  },
  "in a verify whose device stopped completing": async (_t, space) => {
    await space.serve(["--fault", "never-complete"], "s");
    const running = space.start("io block verify s -v --io-timeout 60s".split(" "));
    await running.printed(/> .*SET_VRING_ENABLE/);
    return running;
  },
};

/** Starts a command that cannot be seen to connect; but the addon is loaded just before. */
async function startConnecting(space: Workspace, words: string): Promise<Running> {
  const running = space.start(words.split(" "));
  const maps = `/proc/${running.pid}/maps`;
  await until(() => readFileSync(maps, "utf8").includes("/vhost_user.node"));
  return running;
}

for (const [name, start] of Object.entries(instants)) {
  for (const signal of signals) {
    test(`${signal} ${name} ends it with ${codes[signal]}`, async (t) => {
      const space = new Workspace(t);
      const running = await start(t, space);
      const { code, stderr } = await running.stop(signal);
      assert.match(stderr, new RegExp(`vhost-user: interrupted by ${signal}\n$`));
      assert.equal(code, codes[signal]);
      assert.deepEqual(space.temporaryFiles, []);
      if (name.startsWith("while it waits")) assert.equal(existsSync(space.path("s")), false);
    });
  }
}

test("SIGHUP is handled as SIGTERM is: commands clean up, serve ends with 0", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "1M"]);
  const waiting = space.start("io block id s --listen --timeout 60s".split(" "));
  const demo = space.start(["demo", "--size", "1G", "-v"]);
  await until(() => existsSync(space.path("s")));
  await demo.printed(/> .*SET_OWNER/);
  assert.equal((await server.stop("SIGHUP")).code, 0);
  assert.equal(existsSync(socket), false);
  for (const running of [waiting, demo]) {
    const { code, stderr } = await running.stop("SIGHUP");
    assert.match(stderr, /vhost-user: interrupted by SIGHUP\n$/);
    assert.equal(code, 129);
  }
  assert.equal(existsSync(space.path("s")), false);
  assert.deepEqual(space.temporaryFiles, []);
});

test("a terminal that is closed ends serve, which removes its socket", async (t) => {
  const space = new Workspace(t);
  // util-linux's script runs a command on a terminal of its own, which ends with it.
  const wrapper = ["sh", "-c", "exec script -qfc \"exec '$0' '$1' '$2' $3\" /dev/null"];
  const serve = "serve block --socket s --size 1M";
  const terminal = space.start([serve], { wrapper });
  await terminal.printed(/listening on/);
  await terminal.stop("SIGKILL");
  await until(() => space.survivors().length === 0);
  assert.equal(existsSync(space.path("s")), false);
});

for (const [name, wrapper] of Object.entries({
  "nohup, started by a shell": ["bash", "-c", 'nohup "$0" "$@"'],
  "a parent that ignores SIGHUP": [
    "sh",
    "-c",
    "trap '' HUP; \"$0\" \"$@\" & trap 'kill $!' TERM; wait; wait",
  ],
})) {
  test(`SIGHUP that was ignored at the start does not end serve: ${name}`, async (t) => {
    const space = new Workspace(t);
    const server = space.start(["serve", "block", "--socket", "s", "--size", "1M"], { wrapper });
    await server.printed(/listening on/);
    for (const pid of space.survivors()) process.kill(pid, "SIGHUP");
    assert.equal((await space.run(["io", "block", "id", "s"])).code, 0);
    await server.stop("SIGTERM");
    assert.equal(existsSync(space.path("s")), false);
  });
}

test("a failure to write the last frames is reported when a signal ends serve or io", async (t) => {
  const space = new Workspace(t);
  const pcap = ["--pcap", "/dev/full", "--force"];
  const { socket, server } = await space.serve(["--traffic", "echo", ...pcap], "net.sock", "net");
  const running = space.start(["io", "net", "receive", socket, "-v", ...pcap]);
  await running.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  for (const [each, signal] of [
    [running, "SIGINT"],
    [server, "SIGTERM"],
  ] as const) {
    const { code, stderr } = await each.stop(signal);
    assert.match(stderr, /cannot write all frames to \/dev\/full: ENOSPC/);
    assert.equal(code, 1, stderr);
  }
  assert.equal(existsSync(socket), false);
});

for (const signal of signals) {
  const expected = signal === "SIGINT" ? 130 : 0;
  test(`${signal} ends an idle serve with ${expected}, its socket gone`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve();
    assert.equal((await server.stop(signal)).code, expected);
    assert.equal(existsSync(socket), false);
  });

  test(`${signal} ends a serve under load with ${expected}, and the front-end says why`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve(["--size", "8G"]);
    const args = ["--depth", "16", "--ring-mode", "event", "--overwrite", "-v"];
    const client = space.start(["io", "block", "verify", socket, ...args]);
    // The client's side, not the server's: only now its handshake is over.
    await client.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
    assert.equal((await server.stop(signal)).code, expected);
    assert.equal(existsSync(socket), false);
    const { code, stderr } = await client.result;
    assert.match(stderr, /closed/);
    assert.equal(code, 1);
  });

  test(`${signal} ends a serve that connects with ${expected}`, async (t) => {
    const space = new Workspace(t);
    const connected = new Promise<void>((resolve) => {
      void rawListener(t, space.path("s"), () => resolve());
    });
    const server = space.start(["serve", "block", "--connect", "s", "--size", "1M"]);
    await connected;
    await server.printed(/front-end connected/);
    assert.equal((await server.stop(signal)).code, expected);
  });

  for (const [instant, pattern] of Object.entries({
    "at its start": undefined,
    "in the handshake": /> .*SET_OWNER/,
    "in its I/O": /^ {2}VHOST_USER_PROTOCOL_F_STATUS$/m,
  })) {
    test(`${signal} ${instant} ends the demo with ${codes[signal]}`, async (t) => {
      const space = new Workspace(t);
      const running = space.start(["demo", "--size", "1G", "-v"]);
      if (pattern) await running.printed(pattern);
      else await until(() => space.temporaryFiles.length > 0);
      const { code, stderr } = await running.stop(signal);
      assert.match(stderr, new RegExp(`interrupted by ${signal}\n$`));
      assert.equal(code, codes[signal]);
      assert.deepEqual(space.temporaryFiles, []);
      assert.deepEqual(space.survivors(), []);
    });
  }
}

test("a terminal's Ctrl-C reaches the demo's back-end as well, and all ends well", async (t) => {
  const space = new Workspace(t);
  const running = space.start(["demo", "--size", "1G", "-v"]);
  await running.printed(/> .*SET_OWNER/);
  for (const pid of space.survivors()) process.kill(pid, "SIGINT");
  const { code } = await running.result;
  assert.equal(code, 130);
  assert.deepEqual(space.temporaryFiles, []);
});

test("one Ctrl-C that comes several times, as through npm, is one", async (t) => {
  const space = new Workspace(t);
  const running = space.start(["demo", "--size", "1G", "-v"]);
  await running.printed(/> .*SET_OWNER/);
  for (let i = 0; i < 50; i += 1) {
    running.signal("SIGINT");
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await running.result).code, 130);
  assert.deepEqual(space.temporaryFiles, []);
  assert.deepEqual(space.survivors(), []);
});

test("a demo that is killed outright takes its back-end with it", async (t) => {
  const space = new Workspace(t);
  const running = space.start(["demo", "--size", "1G", "-v"]);
  await running.printed(/> .*SET_OWNER/);
  await running.stop("SIGKILL");
  await until(() => space.survivors().length === 0);
  // Nothing of it could run: its folder stays, and is this test's to remove.
  for (const name of readdirSync(space.path("tmp"))) {
    rmSync(space.path(`tmp/${name}`), { recursive: true });
  }
});

test("a peer that does not answer a stop does not hold a signal up", async (t) => {
  const space = new Workspace(t);
  await space.serve(["--fault", "no-reply@GET_VRING_BASE", "--fault", "never-complete"], "s");
  const running = space.start("io block id s -v --timeout 60s --io-timeout 60s".split(" "));
  await running.printed(/> .*SET_VRING_ENABLE/);
  assert.equal((await running.stop("SIGINT")).code, 130);
});

test("what was written before SIGTERM is in the image", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", new Uint8Array(4 << 20));
  const { socket, server } = await space.serve(["--image", image]);
  const args = ["--seed", "3", "--depth", "16", "--ring-mode", "poll"];
  assert.equal((await space.run(["io", "block", "verify", socket, ...args])).code, 0);
  assert.equal((await server.stop("SIGTERM")).code, 0);
  const bytes = new Uint8Array(readFileSync(image));
  assert.equal(findMismatch(new Int32Array(bytes.buffer), 3, 0), -1);
});
