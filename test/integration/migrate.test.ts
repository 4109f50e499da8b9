import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test, type TestContext } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { type Result, Workspace } from "./support/index.ts";

guardLeaks();

const MIB = 1 << 20;

interface Ends {
  readonly space: Workspace;
  readonly source: string;
  readonly destination: string;
  readonly migrate: (...more: string[]) => Promise<Result>;
}

/** Two `serve block` on one image, which is blank by default. */
async function serveTwo(
  t: TestContext,
  {
    source = [],
    destination = [],
    content = new Uint8Array(4 * MIB),
  }: {
    source?: string[];
    destination?: string[];
    content?: Uint8Array;
  } = {},
): Promise<Ends> {
  const space = new Workspace(t);
  const image = space.file("disk.img", content);
  const from = await space.serve(["--image", image, ...source], "source.sock");
  const to = await space.serve(["--image", image, ...destination], "destination.sock");
  return {
    space,
    source: from.socket,
    destination: to.socket,
    migrate: async (...more) => space.run(["migrate", from.socket, to.socket, ...more]),
  };
}

for (const format of [[], ["--packed"]]) {
  test(`migrate ${format.join("")} moves a session that writes, and reports the time it took`, async (t) => {
    const { migrate, source, destination } = await serveTwo(t, { destination: ["--workers"] });
    const { code, stdout, stderr } = await migrate("--json", "--seed", "7", ...format);
    assert.equal(code, 0, stderr);
    const report = parseDocument("migrate", stdout);
    const { rounds, downMs, before, during, after, stateBytes, ...rest } = report;
    const verdict = { verified: true, partial: false, missedPages: [] };
    const head = { schemaVersion: 1, kind: "migrate", source, destination, seed: 7 };
    assert.deepEqual(rest, { ...head, ...verdict });
    assert.ok((rounds as unknown[]).length >= 2);
    for (const figure of [downMs, before, after, stateBytes]) assert.ok(Number(figure) > 0);
    assert.ok(Number(during) >= 0);
  });
}

test("the text says so, too", async (t) => {
  const { migrate } = await serveTwo(t);
  const { code, stdout, stderr } = await migrate("--max-rounds", "2");
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^before +\d+ writes.*\nround 1 +16384 pages \(64 MiB\)\n(round 2.*\n)?stopped/,
  );
  assert.match(stdout, /\nstate +\d+ bytes\ndown +[\d.]+ ms\n(.*\n){2}ok: nothing was lost/);
});

test("a source that marks nothing is found, and named with the first page", async (t) => {
  const { migrate } = await serveTwo(t, { source: ["--fault", "log-nothing"] });
  const { code, stdout, stderr } = await migrate("--json", "--io-timeout", "5s");
  assert.equal(code, 1);
  // Either it is seen in the memory, or a request never completes as the used ring is an old one.
  assert.match(
    stderr,
    /did not mark in the dirty log, the first at guest address 0x1|within 5000 ms/,
  );
  if (stdout !== "") assert.equal(parseDocument("migrate", stdout)["verified"], false);
});

test("a migration that ends early says how far it was, marked partial", async (t) => {
  const { migrate } = await serveTwo(t, { source: ["--fault", "never-complete"] });
  const words = ["--json", "--io-timeout", "300ms", "--overwrite", "--seed", "7"];
  const { code, stdout, stderr } = await migrate(...words);
  assert.equal(code, 1, stderr);
  const { partial, phase, writes, endedBy } = parseDocument("migrate", stdout);
  assert.deepEqual([partial, phase, writes], [true, "before", 0]);
  assert.match(String(endedBy), /not completed within 300 ms/);
});

test("a disk that is not blank, or too small, is not written to", async (t) => {
  const { migrate } = await serveTwo(t, { content: randomBytes(MIB) });
  const full = await migrate();
  assert.equal(full.code, 2);
  assert.match(full.stderr, /the device is not blank: there is data at byte 0.*--overwrite/);
  const small = await migrate("--overwrite", "--depth", "64");
  assert.equal(small.code, 2);
  assert.match(small.stderr, /the device has 1048576 bytes; use one of at least 4194304/);
  assert.equal((await migrate("--overwrite")).code, 0);
});

test("ends that are not there, and a source that cannot log", async (t) => {
  const { space, source, destination } = await serveTwo(t);
  const none = space.path("none.sock");
  for (const ends of [
    [source, none],
    [none, destination],
  ]) {
    const { code, stderr } = await space.run(["migrate", ...ends]);
    assert.equal(code, 3);
    assert.match(stderr, /none\.sock/);
  }
  const features = ["--without", "VHOST_USER_PROTOCOL_F_LOG_SHMFD"];
  const mute = await space.serve(["--size", "4M", ...features], "mute.sock");
  const { code, stderr } = await space.run(["migrate", mute.socket, destination]);
  assert.equal(code, 3);
  assert.match(stderr, /have it offer VHOST_USER_PROTOCOL_F_LOG_SHMFD/);
});
