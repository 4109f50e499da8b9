import { blockType } from "../../../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as p from "../../../../src/core/protocol/index.ts";
import { type CapturedMessage, parseCapture } from "../../../../src/lab/wire/index.ts";
import { packageRoot } from "../../../support/package-root.ts";

type Message = CapturedMessage;

const folder = join(packageRoot, "test", "fixtures", "captures");
const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));

function read(file: string): Message[] {
  return parseCapture(readFileSync(join(folder, file), "utf8"));
}

/**
 * User Mode Linux announces one region and sends room for two: what is behind the announced ones is
 * not part of the table.
 */
function contentsOf(file: string, { header, payload }: Message): Uint8Array {
  const table = file.startsWith("uml-") && header.request === p.FrontendRequest.SetMemTable;
  return table && payload.length === 72 ? payload.subarray(0, 40) : payload;
}

/** QEMU sends two pointers of its own within a crypto session; they mean nothing to other programs. */
function withoutPointers({ header, bytes: frame }: Message): Uint8Array {
  const bytes = frame.slice();
  if (header.request === p.FrontendRequest.CreateCryptoSession) bytes.fill(0, 12 + 40, 12 + 56);
  return bytes;
}

/** All were recorded on the main socket: the front-end asks, the back-end answers. */
const isReply = (message: Message): boolean => message.from === "back-end";

function codecOf(message: Message): p.Codec<unknown> {
  const spec = p.requestSpec("front-end", message.header.request);
  assert.ok(spec, `request ${message.header.request} is known`);
  return isReply(message) ? spec.reply.codec : spec.payload;
}

const describe = (message: Message): string =>
  p.describeMessage({
    direction: "front-end",
    ...message,
    descriptors: message.descriptors.length,
  });

test("there are recordings of six conversations", () => {
  assert.equal(files.length, 6);
});

for (const file of files) {
  const messages = read(file);

  test(`every message of ${file} re-encodes to the same bytes`, () => {
    for (const message of messages) {
      const { header, bytes: frame } = message;
      assert.equal(header.size, message.payload.byteLength);
      const payload = contentsOf(file, message);
      const codec = codecOf(message);
      const again = frame.slice();
      again.fill(0, 0, p.HEADER_SIZE + payload.byteLength);
      p.encodeHeader(header, again);
      again.set(codec.encode(codec.decode(payload)), p.HEADER_SIZE);
      assert.deepEqual(again, withoutPointers(message));
    }
  });

  test(`every message of ${file} describes itself`, () => {
    for (const message of messages) {
      const line = describe(message);
      assert.match(line, /^VHOST_USER_[A-Z_]+/);
      assert.doesNotMatch(line, /undecodable|unknown|\n/);
      assert.equal(/ reply\b/.test(line), isReply(message), line);
    }
  });

  test(`replies of ${file} come in the order of the requests that want one`, () => {
    const waiting: number[] = [];
    let protocolFeatures = 0n;
    for (const { from, header, payload } of messages) {
      if (from === "back-end") {
        assert.equal(waiting.shift(), header.request);
        continue;
      }
      if (header.request === p.FrontendRequest.SetProtocolFeatures) {
        protocolFeatures = p.protocolFeatures.decode(payload);
      }
      const spec = p.requestSpec("front-end", header.request);
      assert.ok(spec);
      const needReply = (header.flags & p.HeaderFlag.NeedReply) !== 0;
      const due = p.dueReply(spec, { protocolFeatures, needReply });
      if (due.rule !== "none") waiting.push(header.request);
    }
    assert.deepEqual(waiting, []);
  });

  test(`the strict reading finds in ${file} only what is known of its front-end`, () => {
    const found = messages.flatMap((message) => {
      const { header, payload, descriptors } = message;
      return p
        .inspectMessage("front-end", header, payload, descriptors.length, isReply(message))
        .map((finding) => `${header.request} ${finding.kind} ${finding.field}=${finding.actual}`);
    });
    // virtio-user fills the reserved field of GET_VRING_BASE: the same structure as
    // SET_VRING_ENABLE, left over from there.
    const known = new Map([
      ["dpdk-virtio-user-24.11--dpdk-vhost-22.11.jsonl", ["11 value num=1"]],
      ["uml-6.1-blk--vhost-user.jsonl", ["5 size size=72 bytes"]],
    ]);
    const expected = known.get(file) ?? [];
    assert.deepEqual(found, expected);
  });
}

test("the recorded block device offers what its feature word says", () => {
  const message = read("qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl")[1];
  assert.ok(message);
  assert.equal(
    p.describeMessage({
      direction: "front-end",
      ...message,
      descriptors: message.descriptors.length,
      device: blockType,
    }),
    "VHOST_USER_GET_FEATURES reply 0x175007e46 [VIRTIO_BLK_F_SIZE_MAX VIRTIO_BLK_F_SEG_MAX " +
      "VIRTIO_BLK_F_BLK_SIZE VIRTIO_BLK_F_FLUSH VIRTIO_BLK_F_TOPOLOGY VIRTIO_BLK_F_CONFIG_WCE " +
      "VIRTIO_BLK_F_MQ VIRTIO_BLK_F_DISCARD VIRTIO_BLK_F_WRITE_ZEROES VIRTIO_F_NOTIFY_ON_EMPTY " +
      "VHOST_F_LOG_ALL VIRTIO_RING_F_INDIRECT_DESC VIRTIO_RING_F_EVENT_IDX " +
      "VHOST_USER_F_PROTOCOL_FEATURES VIRTIO_F_VERSION_1]",
  );
});
