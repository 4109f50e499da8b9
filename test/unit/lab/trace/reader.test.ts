import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../../src/core/os/index.ts";
import {
  eventAsJson,
  type MessageEvent,
  type TraceEvent,
  traceFooter,
  traceHeader,
  TraceReader,
} from "../../../../src/lab/trace/index.ts";
import { schemaFaults } from "../../../support/json-schema.ts";
import { readSchema } from "../../../support/published-schemas.ts";

const CAPTURE = "test/fixtures/captures/qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl";
const recorded = readFileSync(join(packageRoot, CAPTURE), "utf8");

interface Read {
  readonly events: readonly TraceEvent[];
  readonly reader: TraceReader;
}

function read(text: string): Read {
  const reader = new TraceReader();
  return { events: [...reader.read(text)].map(({ event }) => event), reader };
}

const messages = ({ events }: Read): MessageEvent[] =>
  events.filter((event) => event.type === "message");

/** A trace of what was recorded, as this package writes it. */
function rewritten(decoded: boolean): string {
  const { events } = read(recorded);
  const footer = { us: 7_000_000, events: events.length, lost: 2 };
  return [
    traceHeader({ started: "2026-11-30T12:00:00.000Z" }),
    JSON.stringify({ event: "opened", us: 0, session: 0, frontEnd: { pid: 7 }, backEnd: {} }),
    ...events.map((event) => eventAsJson(event, { decoded })),
    JSON.stringify({
      event: "closed",
      us: 7e6,
      session: 0,
      how: "closed",
      reason: "end",
      by: "front-end",
    }),
    traceFooter(footer),
    "",
  ].join("\n");
}

test("captures of other recorders are read, and nothing says that they are complete", () => {
  const captured = read(recorded);
  assert.equal(messages(captured).length, 58);
  assert.deepEqual(captured.reader.end, { end: "unmarked", lost: 0, started: undefined });
});

for (const decoded of [true, false]) {
  test(`a trace ${decoded ? "with" : "without"} decoded members is read as it was written`, () => {
    const before = messages(read(recorded));
    const trace = read(rewritten(decoded));
    assert.deepEqual(messages(trace), before);
    assert.deepEqual(
      trace.events.map(({ type }) => type).filter((type) => type !== "message"),
      ["opened", "closed"],
    );
    assert.deepEqual(trace.reader.end, {
      end: "clean",
      lost: 2,
      started: "2026-11-30T12:00:00.000Z",
    });
  });

  test(`every line of a trace ${decoded ? "with" : "without"} decoded members fits the schema`, () => {
    const { events } = read(rewritten(decoded));
    const own = events.map((event) => eventAsJson(event, { decoded }));
    for (const line of [...own, ...recorded.trim().split("\n"), traceHeader({})]) {
      assert.deepEqual(schemaFaults(readSchema("trace"), JSON.parse(line)), [], line);
    }
  });
}

test("a capture that is cut off is read up to its end, wherever it is cut", () => {
  const whole = rewritten(false);
  const all = messages(read(whole));
  const lines = whole.split("\n");
  for (let length = 0; length < whole.length; length += 97) {
    const captured = read(whole.slice(0, length));
    const complete = whole.slice(0, length).split("\n").length - 1;
    const count = lines.slice(0, complete).filter((line) => line.includes('"message"')).length;
    const found = messages(captured);
    // The last line may lack its newline only.
    assert.ok(found.length === count || found.length === count + 1);
    assert.deepEqual(found, all.slice(0, found.length));
    assert.notEqual(captured.reader.end.end, "clean");
  }
});

test("a reply whose request was filtered out breaks no rule", () => {
  const kept = rewritten(false)
    .split("\n")
    .filter((line) => !line.includes('"from":"front-end"'));
  const plain = messages(read(kept.join("\n")));
  assert.ok(plain.every(({ violations }) => violations.length > 0));
  kept[0] = traceHeader({ filter: "reply" });
  const filtered = messages(read(kept.join("\n")));
  assert.ok(filtered.length > 10);
  assert.ok(filtered.every(({ violations }) => violations.length === 0));
  assert.equal(filtered[0]?.number, 2);
});

const broken: readonly (readonly [line: string, says: RegExp])[] = [
  ["{", /capture, line 2: must be JSON/],
  ["[]", /line 2: must be an object/],
  ['{"kind":"probe"}', /"kind" must be "trace"/],
  ['{"kind":"trace","schemaVersion":2}', /schemaVersion must be at most 1, not 2/],
  ['{"us":-1,"from":"front-end","descriptors":[],"hex":""}', /"us" must be/],
  ['{"us":1,"session":1.5,"from":"front-end"}', /"session" must be/],
  ['{"us":1,"from":"guest","descriptors":[],"hex":""}', /"from" must be/],
  [
    '{"us":1,"from":"front-end","descriptors":"x","hex":"010000000100000000000000"}',
    /"descriptors"/,
  ],
  ['{"us":1,"from":"front-end","descriptors":[],"hex":"0100"}', /"hex" must have .*, not 2/],
  [
    '{"us":1,"from":"front-end","descriptors":[],"objects":1,"hex":"010000000100000000000000"}',
    /"objects"/,
  ],
  [
    '{"us":1,"number":0,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}',
    /"number"/,
  ],
  ['{"us":1,"session":0,"event":"waiting"}', /"number" must be a number/],
];

for (const [line, says] of broken) {
  test(`a capture with ${line} is refused, and the line is named`, () => {
    assert.throws(() => read(`${traceHeader({})}\n${line}\n`), says);
  });
}

test("events of a newer recorder are left out", () => {
  const { events } = read('{"us":1,"session":0,"event":"weather","sky":"blue"}\n');
  assert.deepEqual(events, []);
});
