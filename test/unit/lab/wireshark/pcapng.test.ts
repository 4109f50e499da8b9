import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionDecoder } from "../../../../src/lab/trace/index.ts";
import { PcapngWriter } from "../../../../src/lab/wireshark/index.ts";

interface Block {
  readonly type: number;
  readonly body: Buffer;
}

/** Cuts a file into its blocks, whose length is at both ends. */
function blocksOf(file: Buffer): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < file.length;) {
    const size = file.readUInt32LE(at + 4);
    assert.equal(size % 4, 0);
    assert.equal(file.readUInt32LE(at + size - 4), size);
    blocks.push({ type: file.readUInt32LE(at), body: file.subarray(at + 8, at + size - 4) });
    at += size;
  }
  return blocks;
}

/** The options behind the fixed part of a block. */
function optionsOf(body: Buffer, from: number): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = from; at < body.length;) {
    const [code, size] = [body.readUInt16LE(at), body.readUInt16LE(at + 2)];
    if (code === 0) {
      assert.equal(at + 4, body.length);
      return options;
    }
    options.set(code, body.subarray(at + 4, at + 4 + size));
    at += 4 + size + (-size & 3);
  }
  throw new Error("the options have no end");
}

function packetOf({ body }: Block) {
  const size = body.readUInt32LE(12);
  const time = (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8));
  const data = body.subarray(20, 20 + size);
  const options = optionsOf(body, 20 + size + (-size & 3));
  return { interface: body.readUInt32LE(0), time, data, options };
}

const STARTED = Date.UTC(2026, 10, 30);
const decoder = (): SessionDecoder => new SessionDecoder({ session: 3 });

function written(use: (writer: PcapngWriter, session: SessionDecoder) => void): Block[] {
  const parts: Uint8Array[] = [];
  const write = (block: Uint8Array): void => void parts.push(block);
  const writer = new PcapngWriter({ write, startedMs: STARTED });
  use(writer, decoder());
  writer.end();
  return blocksOf(Buffer.concat(parts));
}

const kick = {
  from: "front-end",
  channel: "front-end",
  header: { request: 12, flags: 9, size: 8 },
  payload: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
  objects: [{ kind: "eventfd", id: "77" }],
} as const;

test("a file has a section, an interface for each leg with nanoseconds, packets, and counts", () => {
  const blocks = written((writer, session) => {
    writer.event(session.opened(0), session.state);
    writer.event(session.message(1500, kick), session.state);
  });
  assert.deepEqual(
    blocks.map(({ type }) => type),
    [0x0a0d0d0a, 1, 1, 1, 1, 6, 6, 5, 5, 5, 5],
  );
  for (const { body } of blocks.slice(1, 5)) {
    assert.equal(body.readUInt16LE(0), 147);
    assert.deepEqual(optionsOf(body, 8).get(9), Buffer.of(9));
  }
  const names = blocks.slice(1, 5).map(({ body }) => String(optionsOf(body, 8).get(2)));
  assert.deepEqual(names, [
    "front-end",
    "back-end",
    "front-end (back-end channel)",
    "back-end (back-end channel)",
  ]);
  const [received, dropped] = [4, 5].map((code) =>
    optionsOf(blocks[7]?.body ?? Buffer.alloc(0), 12)
      .get(code)
      ?.readBigUInt64LE(0),
  );
  assert.deepEqual([received, dropped], [2n, 0n]);
});

test("a packet has time, direction, an id, the pseudo-header and the message", () => {
  const blocks = written((writer, session) => {
    writer.event(session.message(1500, kick), session.state);
  });
  const { data, time, options } = packetOf(blocks[5] as Block);
  assert.equal(time, BigInt(STARTED) * 1_000_000n + 1_500_000n);
  assert.equal(options.get(2)?.readUInt32LE(0), 1);
  assert.equal(options.get(5)?.readBigUInt64LE(0), (3n << 32n) | 1n);
  const length = data.readUInt16LE(4);
  assert.equal(String(data.subarray(0, 3)), "VHU");
  assert.deepEqual([...data.subarray(3, 4), ...data.subarray(6, 10)], [1, 0, 1, 1, 0]);
  assert.deepEqual([data.readUInt32LE(12), data.readUInt32LE(16)], [3, 1]);
  assert.equal(data.readBigUInt64LE(24), 1_500_000n);
  assert.ok(data.includes(Buffer.from("kick.1\0\0eventfd\0" + "77\0")));
  assert.deepEqual(data.subarray(length + 12), Buffer.from(kick.payload));
  assert.equal(data.readUInt32LE(length), 12);
});

test("what an interceptor sent leaves on the other leg, with the id of the message", () => {
  const { header, payload } = kick;
  const blocks = written((writer, session) => {
    writer.event(session.message(10, kick), session.state);
    const about = {
      us: 11,
      session: 3,
      number: 1,
      from: "front-end",
      channel: "front-end",
    } as const;
    const sent = { header, payload: payload.map((byte) => byte + 1), descriptors: 1 };
    writer.event({ type: "action", ...about, action: "set index=2", sent }, session.state);
  });
  const [came, left] = [packetOf(blocks[5] as Block), packetOf(blocks[6] as Block)];
  assert.deepEqual([came.interface, left.interface], [0, 1]);
  assert.deepEqual(left.options.get(5), came.options.get(5));
  assert.equal(left.options.get(2)?.readUInt32LE(0), 2);
  assert.equal(left.data.at(-8), 2);
});

test("packets that are not taken are counted", () => {
  const blocks: Uint8Array[] = [];
  let takes = true;
  const writer = new PcapngWriter({
    write: (block) => {
      if (takes) blocks.push(block);
      return takes;
    },
  });
  const session = decoder();
  takes = false;
  writer.event(session.message(10, kick), session.state);
  takes = true;
  writer.end();
  assert.equal(writer.lost, 1);
  const statistics = blocksOf(Buffer.concat(blocks)).filter(({ type }) => type === 5);
  const dropped = optionsOf(statistics[0]?.body ?? Buffer.alloc(0), 12).get(5);
  assert.equal(dropped?.readBigUInt64LE(0), 1n);
});

test("a hostile name or a thousand items do not break the pseudo-header", () => {
  const objects = Array.from({ length: 1000 }, (_, i) => ({
    kind: "file",
    id: `8:${i}`,
    name: `a\0b${"x".repeat(5000)}`,
  }));
  const blocks = written((writer, session) => {
    writer.event(session.message(10, { ...kick, objects }), session.state);
  });
  const { data } = packetOf(blocks[5] as Block);
  const length = data.readUInt16LE(4);
  assert.ok(length > 60_000);
  assert.equal(data.readUInt32LE(length), 12);
});

test("a message that Wireshark would not read is cut, and its length is kept", () => {
  const payload = new Uint8Array(400_000);
  const header = { request: 5, flags: 1, size: payload.length };
  const blocks = written((writer, session) => {
    writer.event(session.message(1, { ...kick, header, payload, objects: [] }), session.state);
  });
  const { body } = blocks[5] as Block;
  assert.equal(body.readUInt32LE(12), 262_144);
  assert.ok(body.readUInt32LE(16) > payload.length);
  assert.equal(packetOf(blocks[5] as Block).data.length, 262_144);
});

for (const [startedMs, time] of [
  [Date.UTC(1900, 0), 0n],
  [8.64e15, 2n ** 64n - 1n],
] as const) {
  test(`a capture that claims to be of ${startedMs} ms since 1970 has the nearest time`, () => {
    const parts: Uint8Array[] = [];
    const writer = new PcapngWriter({ write: (block) => void parts.push(block), startedMs });
    const session = decoder();
    writer.event(session.message(1500, kick), session.state);
    writer.end();
    assert.equal(packetOf(blocksOf(Buffer.concat(parts))[5] as Block).time, time);
  });
}

test("a reply whose time is before its request's has waited for 0", () => {
  const [header, payload] = [{ request: 1, flags: 1, size: 0 }, new Uint8Array()];
  const answer = { header: { request: 1, flags: 5, size: 8 }, payload: new Uint8Array(8) };
  const blocks = written((writer, session) => {
    const record = { ...kick, header, payload, objects: [] };
    writer.event(session.message(20, record), session.state);
    const reply = { ...record, ...answer, from: "back-end" } as const;
    writer.event(session.message(10, reply), session.state);
  });
  const { data } = packetOf(blocks[6] as Block);
  assert.deepEqual([data.readUInt32LE(20), data.readBigUInt64LE(32)], [1, 0n]);
});
