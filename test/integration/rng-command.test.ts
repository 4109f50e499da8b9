import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { ConformanceReport } from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

async function serve(t: test.TestContext, ...more: readonly string[]) {
  const space = new Workspace(t);
  const socket = space.path("rng.sock");
  const server = space.start(["serve", "rng", "--socket", socket, ...more]);
  await server.printed(/listening on /);
  const read = async (...words: readonly string[]) =>
    space.run(["io", "rng", "read", socket, ...words]);
  return { space, socket, server, read };
}

test("io rng read prints as many random bytes as it is asked for, in both ring formats", async (t) => {
  const { read, server } = await serve(t);
  const texts = new Set<string>();
  for (const ring of [[], ["--packed"], ["--strict"], ["--in-order"]]) {
    const { code, bytes, stderr } = await read("--length", "10K", ...ring);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(bytes.length, 10 << 10);
    texts.add(bytes.toString("hex"));
  }
  assert.equal(texts.size, 4);
  assert.match((await read("--hex")).stdout, /^[0-9a-f]{64}\n$/);
  assert.match((await read("--hex", "--length", "33")).stdout, /^[0-9a-f]{64}\n[0-9a-f]{2}\n$/);
  assert.equal((await server.stop("SIGTERM")).code, 0);
});

test("io rng read --out saves the bytes, and refuses options that contradict", async (t) => {
  const { space, read } = await serve(t);
  const saved = await read("--length", "100", "--out", space.path("bytes"));
  assert.match(saved.stderr, /^100 bytes saved to .*bytes\n$/);
  assert.equal(readFileSync(space.path("bytes")).length, 100);
  const both = await read("--hex", "--out", space.path("bytes"));
  assert.equal(both.code, 2);
  assert.match(both.stderr, /--hex and --out cannot be combined/);
  const large = await read("--length", "1T");
  assert.equal(large.code, 2);
  assert.match(large.stderr, /--length 1099511627776 is more than the 256 MiB of one read/);
});

test("serve rng --max-bytes limits what all front-ends get in a period", async (t) => {
  const { space, read } = await serve(t, "--max-bytes", "64", "--period", "8h");
  assert.equal((await read("--length", "60")).code, 0);
  const late = await read("--length", "60", "--io-timeout", "100ms");
  assert.equal(late.code, 1);
  assert.match(late.stderr, /56 random bytes: not completed within 100 ms/);
  const none = await space.run(["serve", "rng", "--socket", space.path("b"), "--max-bytes", "0"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /--max-bytes 0 would deliver nothing/);
});

test("conform --device rng judges serve rng", async (t) => {
  const { space, socket } = await serve(t);
  const { code, stdout, stderr } = await space.run([
    "conform",
    socket,
    "--device",
    "rng",
    ...["rng", "split", "vring", "hostile"].flatMap((section) => ["--only", section]),
    "--json",
  ]);
  assert.equal(code, 0, stderr);
  const { results, target }: ConformanceReport = parseDocument("conformance", stdout);
  assert.equal(target.device, "rng");
  const passed = new Set(results.flatMap(({ id, verdict }) => (verdict === "PASS" ? [id] : [])));
  for (const id of [
    "rng/1",
    "rng/2",
    "rng/3",
    "rng/4",
    "rng/5",
    "rng/6",
    "split/1",
    "vring/1",
    "hostile/1",
  ])
    assert.ok(passed.has(id), `${id} did not pass`);
});
