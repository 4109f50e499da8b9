import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../../src/core/os/index.ts";
import {
  type MessageEvent,
  SessionDecoder,
  type Unanswered,
} from "../../../../src/lab/trace/index.ts";
import { parseCapture } from "../../../../src/lab/wire/index.ts";

const FOLDER = join(packageRoot, "test/fixtures/captures");

interface Session {
  readonly events: readonly MessageEvent[];
  readonly decoder: SessionDecoder;
  readonly unanswered: readonly Unanswered[];
}

function decodeCapture(name: string): Session {
  const decoder = new SessionDecoder({ session: 0 });
  const events = parseCapture(readFileSync(join(FOLDER, name), "utf8")).map(
    ({ us, from, channel, header, payload, descriptors }) => {
      const objects = descriptors.map((kind) => ({ kind }));
      return decoder.message(us, { from, channel, header, payload, objects });
    },
  );
  const { unanswered } = decoder.closed(0, { how: "closed", reason: "end of file" });
  return { events, decoder, unanswered };
}

/** Rules that the recorded programs break, by request. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  // DPDK leaves the index of the ring that it stopped before in the reserved field.
  "dpdk-virtio-user-24.11--dpdk-vhost-22.11": [
    "VHOST_USER_GET_VRING_BASE: num must be 0 (reserved), not 1",
  ],
  // QEMU enables the rings of network devices before it acknowledges any feature.
  "qemu-7.2-net--dpdk-22.11": [
    "VHOST_USER_SET_VRING_ENABLE: VHOST_USER_SET_VRING_ENABLE needs VHOST_USER_F_PROTOCOL_FEATURES; that was not negotiated",
  ],
  // User Mode Linux sends a table of fixed length.
  "uml-6.1-blk--vhost-user": [
    "VHOST_USER_SET_MEM_TABLE: size must be 40 bytes for 1 region, not 72 bytes",
  ],
};

for (const file of readdirSync(FOLDER).filter((each) => each.endsWith(".jsonl"))) {
  const name = file.replace(".jsonl", "");

  test(`${name}: every message is decoded, and every reply has its request`, () => {
    const { events, unanswered } = decodeCapture(file);
    assert.ok(events.length > 10);
    for (const event of events) {
      assert.ok(event.fields, `message ${event.number}, ${event.request}`);
      assert.equal(event.answers !== undefined, event.isReply);
      const { to = 0 } = event.answers ?? {};
      if (event.isReply) assert.equal(events[to - 1]?.request, event.request);
    }
    assert.deepEqual(unanswered, []);
  });

  test(`${name}: no rules are found broken but those that are`, () => {
    const { events } = decodeCapture(file);
    const found = events.flatMap(({ request, violations }) =>
      violations.map(({ rule }) => `${request}: ${rule}`),
    );
    assert.deepEqual([...new Set(found)], KNOWN[name] ?? []);
  });
}

test("the state of a recorded session has its device type, memory, rings and features", () => {
  const { decoder } = decodeCapture("qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl");
  const { state } = decoder;
  assert.equal(state.device?.name, "block");
  assert.equal(state.negotiation.features, 0x1_7000_7e46n);
  assert.deepEqual(
    state.regions.map(({ name, guestAddress, size }) => [name, guestAddress, size]),
    [
      ["mem0", 0n, 0xa_0000n],
      ["mem0", 0xc_0000n, 0xff4_0000n],
    ],
  );
  const ring = state.rings.get(1);
  assert.equal(ring?.size, 128);
  assert.equal(ring?.base, 21);
  assert.equal(ring?.started, false);
  assert.equal(ring?.kick?.name, "kick.1");
  const place = state.locate(ring?.addresses?.descriptor ?? 0n);
  assert.equal(`${place?.region.name}+0x${place?.offset.toString(16)}`, "mem0+0x1f22000");
});
