import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../../src/core/os/index.ts";
import {
  compareStates,
  describeSession,
  describeStateChange,
  type InspectedSession,
  StatePage,
  TraceReader,
} from "../../../../src/lab/trace/index.ts";
import { schemaFaults } from "../../../support/json-schema.ts";
import { readSchema } from "../../../support/published-schemas.ts";

const CAPTURE = "test/fixtures/captures/qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl";
const recorded = readFileSync(join(packageRoot, CAPTURE), "utf8");
const place = { session: 0, ring: 0 };
const chain = { descriptors: 3, readable: 16, writable: 4097, fields: {}, failed: false };

/** The state after the events up to a moment, of which a test may add some at the end. */
function at(us: number, more: readonly object[] = []): InspectedSession[] {
  const page = new StatePage();
  const lines = more.map((each) => JSON.stringify(each));
  const text = `${recorded.trimEnd()}\n${lines.join("\n")}\n`;
  for (const { event, state } of new TraceReader().read(text)) {
    // The state is that of the reader, which must not go on.
    if (event.us > us) break;
    page.event(event, state);
  }
  return page.sessions(us);
}

test("a session of QEMU has its features, memory and ring, and less of them earlier", () => {
  const times = recorded
    .trim()
    .split("\n")
    .map((line) => Number(JSON.parse(line).us));
  const moments = times.map((us) => at(us));
  assert.deepEqual(moments[0]?.[0]?.rings, []);
  const rings = moments.flat().flatMap((each) => each.rings);
  const running = rings.find(({ started, addresses }) => started && addresses !== undefined);
  assert.ok(running, JSON.stringify(rings));
  assert.match(running.addresses?.descriptor ?? "", /^mem\d+\+0x[0-9a-f]+$/);
  assert.ok((running.size ?? 0) > 0);
  assert.match(running.kick ?? "", /^kick\.0 eventfd/);
  const [session] = moments.at(-1) ?? [];
  assert.equal(session?.device, "block");
  assert.ok(session.protocolFeatures.names.length > 0);
});

test("chains that are outstanding have their age, and those that were missed are counted", () => {
  const moment = 1e9;
  const [session] = at(moment, [
    {
      event: "chain-available",
      us: 5e8,
      ...place,
      chain: 0,
      head: 3,
      text: "A",
      depth: 1,
      ...chain,
    },
    {
      event: "chain-available",
      us: 6e8,
      ...place,
      chain: 1,
      head: 6,
      text: "B",
      depth: 2,
      ...chain,
    },
    {
      event: "chain-used",
      us: 7e8,
      ...place,
      ...chain,
      chain: 0,
      head: 3,
      text: "A",
      depth: 1,
      written: 1,
      latencyUs: 1,
      marginUs: 0,
    },
    { event: "chains-missed", us: 8e8, ...place, chains: 4, reason: "r" },
  ]);
  const ring = session?.rings.find((each) => each.ring === 0);
  assert.deepEqual(ring?.chains, { available: 6, used: 1, missed: 4 });
  assert.deepEqual(ring?.outstanding, [{ chain: 1, head: 6, text: "B", waitedUs: 4e8 }]);
  assert.ok(session);
  assert.match(describeSession(session).join("\n"), /^ {6}chain 1, head 6: B, for 400000 ms$/m);
  const document = {
    schemaVersion: 1,
    kind: "inspect",
    file: "f",
    us: moment,
    sessions: [session],
  };
  const plain = JSON.parse(JSON.stringify(document));
  assert.deepEqual(schemaFaults(readSchema("inspect"), plain), []);
});

test("the state at a moment has nothing of the message behind it", () => {
  const kick = recorded.split("\n").findIndex((line) => line.includes('"hex":"0c000000'));
  const us = Number(JSON.parse(recorded.split("\n")[kick] ?? "").us);
  for (const [moment, started] of [
    [us - 1, false],
    [us, true],
  ] as const) {
    const page = new StatePage();
    for (const { event, state } of new TraceReader(undefined, moment).read(recorded)) {
      page.event(event, state);
    }
    const rings = page.sessions(moment)[0]?.rings ?? [];
    assert.equal(
      rings.some((ring) => ring.started),
      started,
      `at ${moment} µs`,
    );
  }
});

test("two states differ in features, memory, rings and outstanding chains", () => {
  const place = { session: 0, ring: 0, queue: "requestq", ...chain };
  const available = { event: "chain-available", us: 2e8, ...place, chain: 0, head: 3, depth: 1 };
  const more = [{ ...available, text: "A \x1b[31m" }];
  const changes = compareStates(at(1000), at(3e8, more));
  const document = {
    schemaVersion: 1,
    kind: "inspect-diff",
    file: "f",
    from: 1e3,
    to: 3e8,
    changes,
  };
  const plain = JSON.parse(JSON.stringify(document));
  assert.deepEqual(schemaFaults(readSchema("inspect-diff"), plain), []);
  const lines = changes.map(describeStateChange);
  assert.ok(lines.includes("+ #0 feature VIRTIO_F_VERSION_1"), lines.join("\n"));
  assert.ok(lines.some((line) => line.startsWith("+ #0 region mem0: guest 0x")));
  assert.ok(lines.includes("+ #0 ring 0 requestq outstanding chain 0: head 3, A \\x1b[31m"));
  const back = compareStates(at(3e8, more), at(1000)).map(describeStateChange);
  assert.ok(back.includes("- #0 feature VIRTIO_F_VERSION_1"), back.join("\n"));
  assert.deepEqual(compareStates(at(3e8, more), at(3e8, more)), []);
});

test("without an open session the one that ended last is shown, with its end", () => {
  const closed = {
    event: "closed",
    us: 2e9,
    session: 0,
    how: "crashed",
    by: "back-end",
    reason: "r",
  };
  const [session, ...more] = at(3e9, [closed]);
  assert.deepEqual(more, []);
  assert.deepEqual(session?.ended, { by: "back-end", how: "crashed", reason: "r" });
});
