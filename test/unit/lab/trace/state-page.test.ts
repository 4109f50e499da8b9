import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../../src/core/os/index.ts";
import {
  describeSession,
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
