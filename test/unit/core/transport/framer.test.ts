import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProtocolError } from "../../../../src/core/base/index.ts";
import type { OwnedFd } from "../../../../src/core/os/index.ts";
import { encodeHeader, HEADER_SIZE } from "../../../../src/core/protocol/index.ts";
import {
  type Frame,
  frameBytes,
  Framer,
  type Receive,
} from "../../../../src/core/transport/index.ts";

/** Represents a descriptor; opens nothing. */
class FakeFd {
  closed = false;
  close(): void {
    this.closed = true;
  }
}

interface Segment {
  readonly bytes: Uint8Array;
  readonly fds?: readonly FakeFd[];
}

/** A stream socket as the kernel has it: a read never takes descriptors of two sends at once. */
function stream(segments: readonly Segment[]): Receive {
  const waiting = segments.map(({ bytes, fds = [] }) => ({ bytes, fds }));
  return (target, offset, length, descriptors) => {
    const first = waiting[0];
    if (first === undefined) return -1;
    const count = Math.min(length, first.bytes.length);
    target.set(first.bytes.subarray(0, count), offset);
    descriptors.push(...(first.fds as unknown as OwnedFd[]));
    first.fds = [];
    first.bytes = first.bytes.subarray(count);
    if (first.bytes.length === 0) waiting.shift();
    return count;
  };
}

function message(request: number, payload: Uint8Array): Uint8Array {
  return frameBytes({ header: { request, flags: 1, size: payload.length }, payload, fds: [] });
}

function readAll(framer: Framer, receive: Receive): Frame[] {
  const frames: Frame[] = [];
  for (;;) {
    const result = framer.read(receive);
    if (typeof result === "string") return frames;
    frames.push(result);
  }
}

const payload = Uint8Array.from({ length: 40 }, (_, i) => i);

describe("Framer", () => {
  test("puts a message together that is split at any byte", () => {
    const bytes = message(7, payload);
    for (let at = 1; at < bytes.length; at += 1) {
      const segments = [{ bytes: bytes.subarray(0, at) }, { bytes: bytes.subarray(at) }];
      const frames = readAll(new Framer(4096), stream(segments));
      assert.equal(frames.length, 1, `split at ${at}`);
      assert.deepEqual(frames[0]?.payload, payload);
      assert.equal(frames[0]?.header.request, 7);
    }
  });

  test("puts a message together that comes byte by byte, with waits in between", () => {
    const framer = new Framer(4096);
    const frames: Frame[] = [];
    for (const byte of message(7, payload)) {
      frames.push(...readAll(framer, stream([{ bytes: Uint8Array.of(byte) }])));
    }
    assert.equal(frames.length, 1);
    assert.equal(framer.pending, 0);
  });

  test("takes messages apart that come together, each with its own descriptors", () => {
    const [one, two] = [new FakeFd(), new FakeFd()];
    const together = Buffer.concat([message(1, payload), message(2, new Uint8Array(0))]);
    const segments = [
      { bytes: together, fds: [one] },
      { bytes: message(3, payload), fds: [two] },
    ];
    const frames = readAll(new Framer(4096), stream(segments));
    assert.deepEqual(
      frames.map(({ header, fds }) => [header.request, fds]),
      [
        [1, [one]],
        [2, []],
        [3, [two]],
      ],
    );
  });

  test("the payload is the frame's own: later messages do not change it", () => {
    const framer = new Framer(4096);
    const other = payload.map((byte) => byte ^ 0xff);
    const receive = stream([{ bytes: message(1, payload) }, { bytes: message(2, other) }]);
    const [first] = readAll(framer, receive);
    assert.deepEqual(first?.payload, payload);
  });

  for (const after of [1, 11, 12, 13, 51]) {
    test(`refuses descriptors after byte ${after}, and close() closes them`, () => {
      const bytes = message(7, payload);
      const [early, late] = [new FakeFd(), new FakeFd()];
      const framer = new Framer(4096);
      const segments = [
        { bytes: bytes.subarray(0, after), fds: [early] },
        { bytes: bytes.subarray(after), fds: [late] },
      ];
      assert.throws(
        () => framer.read(stream(segments)),
        (error) => error instanceof ProtocolError && error.message.includes(`after byte ${after}`),
      );
      framer.close();
      assert.deepEqual([early.closed, late.closed], [true, true]);
    });
  }

  for (const size of [4097, 2 ** 31, 2 ** 32 - 1]) {
    test(`refuses a header that announces ${size} bytes, before it reads any`, () => {
      const header = new Uint8Array(HEADER_SIZE);
      encodeHeader({ request: 1, flags: 1, size }, header);
      assert.throws(
        () => new Framer(4096).read(stream([{ bytes: header }, { bytes: payload }])),
        (error) =>
          error instanceof ProtocolError &&
          error.details.field === "size" &&
          error.message.includes(String(size)),
      );
    });
  }

  test("takes the largest payload", () => {
    const large = new Uint8Array(4096).fill(9);
    const [frame] = readAll(new Framer(4096), stream([{ bytes: message(1, large) }]));
    assert.deepEqual(frame?.payload, large);
  });

  test("reports how much of a message had arrived when the stream ends", () => {
    const framer = new Framer(4096);
    readAll(framer, stream([{ bytes: message(7, payload).subarray(0, 20) }]));
    assert.equal(framer.pending, 20);
    assert.equal(
      framer.read(() => 0),
      "end",
    );
  });
});
