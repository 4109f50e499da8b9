import assert from "node:assert/strict";
import { test } from "node:test";
import { parseInjection } from "../../../../src/lab/injection/index.ts";
import { type MessageEvent, SessionDecoder } from "../../../../src/lab/trace/index.ts";

const occurrences: readonly (readonly [text: string, chosen: readonly number[]])[] = [
  ["3", [3]],
  ["2..4", [2, 3, 4]],
  ["8+", [8, 9, 10]],
  ["1+3", [1, 4, 7, 10]],
  ["2..8+3", [2, 5, 8]],
];

for (const [text, chosen] of occurrences) {
  test(`when=${text} chooses ${chosen.join(", ")} of ten`, () => {
    const { when } = parseInjection(`SET_OWNER:drop:when=${text}`);
    const counts = Array.from({ length: 10 }, (_, i) => i + 1);
    assert.deepEqual(
      counts.filter((count) => when.has(count)),
      chosen,
    );
  });
}

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ["SET_VRING_KICK", /has no action; write REQUEST:ACTION/],
  ["SET_VRING_KICK:dorp", /"dorp" is not an action; choose from delay=DURATION, drop, duplicate/],
  ["kick:swap-fd", /a kick or call cannot have swap-fd; choose from drop, delay=DURATION/],
  ["NO_SUCH:drop", /no request is called NO_SUCH/],
  ["GET_CONFIG:delay", /must have a duration, e\.g\. delay=100ms/],
  ["GET_CONFIG:delay=99h", /must have a duration/],
  ["GET_CONFIG:delay=61m", /the longest is 60m/],
  ["GET_CONFIG:drop:when=0", /counted from 1/],
  ["GET_CONFIG:drop:when=4..2", /is empty/],
  ["GET_CONFIG:drop:when=first", /must be N, N\.\.M, N\+ or N\+STEP/],
  ["GET_CONFIG:drop:when=1+0", /STEP must be at least 1/],
  ["SET_VRING_NUM:set number=3", /number is not a field of SET_VRING_NUM; choose from index, num/],
  ["SET_VRING_NUM:set num", /must be set FIELD=VALUE/],
  ["SET_VRING_NUM:set num=many", /must be a number/],
  ["SET_VRING_NUM:set header.version=3", /must be header\.request, header\.flags or header\.size/],
];

for (const [text, message] of wrong) {
  test(`${text} is refused with what is wrong`, () => {
    assert.throws(() => parseInjection(text), message);
  });
}

function request(
  number: number,
  payload: Uint8Array,
  session = new SessionDecoder({ session: 0 }),
) {
  const header = { request: number, flags: 1, size: payload.length };
  const sides = { from: "front-end", channel: "front-end" } as const;
  return session.message(0, { ...sides, header, payload, objects: [] });
}

function changed(text: string, event: MessageEvent) {
  const { action } = parseInjection(text);
  assert.ok(action.kind === "change");
  const { header, payload } = event;
  const { frame } = action.change(event, { header, payload, fds: [] });
  return frame;
}

test("set writes a field of any payload, and nothing else", () => {
  const num = request(8, Uint8Array.of(1, 0, 0, 0, 128, 0, 0, 0));
  assert.deepEqual(
    [...changed("SET_VRING_NUM:set num=0x3ff", num).payload],
    [1, 0, 0, 0, 0xff, 3, 0, 0],
  );
  const kick = request(12, Uint8Array.of(7, 1, 0, 0, 0, 0, 0, 0));
  assert.deepEqual([...changed("SET_VRING_KICK:set index=2", kick).payload.subarray(0, 2)], [2, 1]);
  assert.deepEqual([...changed("SET_VRING_KICK:set no_fd=0", kick).payload.subarray(0, 2)], [7, 0]);
  const table = new Uint8Array(72);
  table[0] = 2;
  const size = changed("SET_MEM_TABLE:set region.1.size=4096", request(5, table)).payload;
  assert.equal(size[49], 0x10);
  assert.equal(size.filter((byte) => byte !== 0).length, 2);
  assert.equal(changed("SET_VRING_NUM:set byte.7=5", num).payload[7], 5);
  assert.equal(changed("SET_VRING_NUM:set header.size=9", num).header.size, 9);
});

test("set adds and removes bits of a feature word by name", () => {
  const features = request(2, Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0));
  const removed = changed("SET_FEATURES:set features=-VERSION_1", features).payload;
  assert.deepEqual([...removed], [0, 0, 0, 0, 0, 0, 0, 0]);
  const added = changed("SET_FEATURES:set features=+RING_PACKED", features).payload;
  assert.deepEqual([...added], [0, 0, 0, 0, 5, 0, 0, 0]);
});

test("a fault is about requests, unless it asks for replies", () => {
  const session = new SessionDecoder({ session: 0 });
  const ask = request(1, new Uint8Array(), session);
  const header = { request: 1, flags: 5, size: 8 };
  const reply = session.message(1, {
    from: "back-end",
    channel: "front-end",
    header,
    payload: new Uint8Array(8),
    objects: [],
  });
  const plain = parseInjection("GET_FEATURES:drop");
  assert.deepEqual([plain.concerns(ask), plain.concerns(reply)], [true, false]);
  const replies = parseInjection("GET_FEATURES reply:drop");
  assert.deepEqual([replies.concerns(ask), replies.concerns(reply)], [false, true]);
});

test("kick and call choose signals and not messages, also of one ring", () => {
  const signal = { type: "ring-signal", us: 0, session: 0, signals: 1 } as const;
  const { concerns, isOfSignals } = parseInjection("kick & ring=1..2:drop:when=2");
  assert.equal(isOfSignals, true);
  assert.equal(concerns({ ...signal, signal: "kick", ring: 1 }), true);
  assert.equal(concerns({ ...signal, signal: "kick", ring: 0 }), false);
  assert.equal(concerns({ ...signal, signal: "call", ring: 1 }), false);
  assert.equal(concerns(request(12, new Uint8Array(8))), false);
  for (const text of ["SET_VRING_KICK:drop", "BACKEND_VRING_CALL:drop", "*CALL:drop"]) {
    assert.equal(parseInjection(text).isOfSignals, false, text);
  }
});
