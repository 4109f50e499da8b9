import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { rawListener, Workspace } from "./support/index.ts";

guardLeaks();

test("a back-end that connects serves one listening front-end after another", async (t) => {
  const space = new Workspace(t);
  const socket = space.path("front.sock");
  const listen = (...words: string[]) =>
    space.start(["io", "block", words[0] ?? "", socket, "--listen", ...words.slice(1)]);
  const first = listen("id", "--timeout", "20s");
  // The back-end gives up when the first connection fails: it has to be there before.
  while (!existsSync(socket)) await new Promise((resolve) => setImmediate(resolve));
  const server = space.start(["serve", "block", "--connect", socket, "--size", "1M"]);
  const id = await first.result;
  assert.deepEqual([id.code, id.stdout, id.stderr], [0, "vhost-user\n", ""]);
  assert.equal(existsSync(socket), false);

  const verified = await listen("verify", "--depth", "4", "--ring-mode", "poll").result;
  assert.match(verified.stdout, /1 MiB verified/);
  assert.equal(verified.code, 0);
  const { code, stderr } = await server.stop("SIGTERM");
  assert.equal(code, 0);
  assert.match(stderr, /connecting to .*front-end connected\nfront-end left/s);
});

test("a back-end whose front-end leaves at once does not repeat its lines for ever", async (t) => {
  const space = new Workspace(t);
  await rawListener(t, space.path("s"), (socket) => socket.destroy());
  const server = space.start(["serve", "block", "--connect", "s", "--size", "1M"]);
  await server.printed(/lost or not found 3 times in a row; trying again with longer pauses/);
  const { code, stderr } = await server.stop("SIGTERM");
  assert.equal(code, 0);
  assert.equal(stderr.match(/front-end connected/g)?.length, 3);
});

test("a front-end that waits in vain says so, and leaves no socket", async (t) => {
  const space = new Workspace(t);
  const { code, stderr } = await space.run(
    "io block id front.sock --listen --timeout 200ms".split(" "),
  );
  assert.match(stderr, /front\.sock: no program connected within 200 ms/);
  assert.equal(code, 3);
  assert.equal(existsSync(space.path("front.sock")), false);
});
