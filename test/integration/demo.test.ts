import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

test("the demo prints features by full name, throughput and latency", async (t) => {
  const { code, stdout, stderr } = await new Workspace(t).run(["demo", "--size", "8M"]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const line of [
    /^back-end +pid \d+, 8 MiB block device on \S+\/disk\.sock$/m,
    /^ {2}VIRTIO_BLK_F_FLUSH$/m,
    /^ {2}VIRTIO_RING_F_EVENT_IDX$/m,
    /^ {2}VIRTIO_F_VERSION_1$/m,
    /^ {2}VHOST_USER_PROTOCOL_F_CONFIG$/m,
    /^written +8 MiB at \d+ MiB\/s/m,
    /^verified +8 MiB at \d+ MiB\/s: every byte is right$/m,
    /^latency +p50 [\d.]+ µs, p90 [\d.]+ µs, p99 [\d.]+ µs, p99\.9 [\d.]+ µs/m,
    /^ok: block I\/O over vhost-user, no virtual machine$/m,
  ]) {
    assert.match(stdout, line);
  }
});

test("demo --json is one document", async (t) => {
  const { code, stdout, stderr } = await new Workspace(t).run(["demo", "--size", "4M", "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const result = parseDocument("demo", stdout);
  assert.deepEqual(Object.keys(result), [
    "schemaVersion",
    "kind",
    "features",
    "protocolFeatures",
    "bytes",
    "verified",
    "writeMiBs",
    "readMiBs",
    "latencyUs",
  ]);
  assert.equal(result["verified"], true);
  assert.equal(result["bytes"], 4 << 20);
  const { p50, "p99.9": p999 } = result["latencyUs"] as Record<string, number>;
  assert.ok(Number(p50) > 0 && Number(p999) >= Number(p50));
});

test("demo -v prints the conversation besides", async (t) => {
  const { code, stdout, stderr } = await new Workspace(t).run(["demo", "--size", "1M", "-v"]);
  assert.equal(code, 0);
  assert.match(stderr, /^> .*VHOST_USER_SET_OWNER/m);
  assert.doesNotMatch(stdout, /^[<>] /m);
});
