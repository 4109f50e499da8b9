import { blockType } from "../../../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMessage } from "../../../../src/core/protocol/index.ts";
import type { DescribableMessage, Direction } from "../../../../src/core/protocol/index.ts";
import { bytes } from "./vectors.ts";

function line(
  request: number,
  flags: number,
  text: string,
  more: Partial<DescribableMessage> & { direction?: Direction } = {},
): string {
  const payload = bytes(text);
  const header = { request, flags, size: payload.byteLength };
  return describeMessage({ direction: "front-end", header, payload, ...more });
}

test("a request shows its fields", () => {
  assert.equal(line(8, 1, "00*4 80 00*3"), "VHOST_USER_SET_VRING_NUM index=0 num=128");
  assert.equal(line(3, 1, ""), "VHOST_USER_SET_OWNER");
});

test("flags and descriptors are shown when there are any", () => {
  assert.equal(
    line(12, 9, "01 00*7", { descriptors: 1 }),
    "VHOST_USER_SET_VRING_KICK need_reply index=1 descriptors=1",
  );
  assert.equal(
    line(12, 1, "01 01 00*6", { descriptors: 0 }),
    "VHOST_USER_SET_VRING_KICK index=1 no-descriptor",
  );
  assert.equal(line(3, 0xd, "01 00*7"), "VHOST_USER_SET_OWNER reply need_reply ack=1 (failed)");
  assert.equal(
    line(3, 0x8000_0012, ""),
    "VHOST_USER_SET_OWNER version=2 reserved-flags=0x80000010",
  );
});

test("feature words are shown with names", () => {
  assert.equal(
    line(1, 5, "00 02 00 20 01 00*3"),
    "VHOST_USER_GET_FEATURES reply 0x120000200 [bit 9 VIRTIO_RING_F_EVENT_IDX VIRTIO_F_VERSION_1]",
  );
  assert.equal(
    line(2, 1, "00 02 00*6", { device: blockType }),
    "VHOST_USER_SET_FEATURES 0x200 [VIRTIO_BLK_F_FLUSH]",
  );
  assert.equal(
    line(16, 1, "09 00*7"),
    "VHOST_USER_SET_PROTOCOL_FEATURES 0x9 [VHOST_USER_PROTOCOL_F_MQ VHOST_USER_PROTOCOL_F_REPLY_ACK]",
  );
  assert.equal(
    line(39, 1, "0b 00*7"),
    "VHOST_USER_SET_STATUS 0xb [ACKNOWLEDGE DRIVER FEATURES_OK]",
  );
});

test("numbers with a meaning are shown by it", () => {
  assert.equal(line(17, 5, "80 00*7"), "VHOST_USER_GET_QUEUE_NUM reply 128");
  assert.equal(line(19, 1, "52 54 00 12 34 56 00*2"), "VHOST_USER_SEND_RARP mac=52:54:00:12:34:56");
  assert.equal(
    line(42, 5, "01 01 00*6"),
    "VHOST_USER_SET_DEVICE_STATE_FD reply 0x101 (failed with 1, no descriptor)",
  );
  assert.equal(
    line(22, 9, "00*8 00 10 00*6 00*8 03 02 00*6"),
    "VHOST_USER_IOTLB_MSG need_reply iova=0x0 size=0x1000 userAddress=0x0 permissions=3 (rw) type=2 (update)",
  );
  assert.equal(line(24, 5, ""), "VHOST_USER_GET_CONFIG reply refused");
});

test("a message of the back-end has the back-end's numbering", () => {
  assert.equal(
    line(6, 9, "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff", { direction: "back-end" }),
    "VHOST_USER_BACKEND_SHARED_OBJECT_ADD need_reply uuid=00112233-4455-6677-8899-aabbccddeeff",
  );
});

test("a reply with two possible forms is shown by its size", () => {
  assert.equal(line(5, 5, "00*8"), "VHOST_USER_SET_MEM_TABLE reply ack=0 (ok)");
  assert.match(line(5, 5, "01 00*7 00*32"), /reply regions=1 \{guestAddress=0x0/);
  assert.equal(line(6, 5, "00 10 00*6"), "VHOST_USER_SET_LOG_BASE reply body=0010000000000000");
  assert.equal(line(6, 5, ""), "VHOST_USER_SET_LOG_BASE reply");
});

test("what cannot be decoded is shown in hexadecimal with the reason, cut short", () => {
  assert.equal(
    line(8, 1, "01 02 03"),
    "VHOST_USER_SET_VRING_NUM undecodable (vring state: expected 8 bytes, got 3 bytes) payload=010203",
  );
  assert.equal(line(0, 1, ""), "unknown front-end request 0");
  assert.equal(
    line(99, 5, "ab*40", { direction: "back-end" }),
    `unknown back-end request 99 reply payload=${"ab".repeat(32)}... (40 bytes)`,
  );
  assert.equal(
    describeMessage({
      direction: "front-end",
      header: { request: 8, flags: 1, size: 16 },
      payload: bytes("00*8"),
    }),
    "VHOST_USER_SET_VRING_NUM size=16 but 8 bytes index=0 num=0",
  );
});

test("key material is never shown", () => {
  const text = `02 00*7  03 00*3 10 00*3  00*8  20 00*3 00*4  00*24  c1*64 a2*512 00*440`;
  const shown = line(26, 1, text);
  assert.match(shown, /cipherKeySize=16 authKeySize=32/);
  assert.doesNotMatch(shown, /c1c1|a2a2/);
});

test("bytes behind what a table announces are counted, and the table is still read", () => {
  const table = "01 00*7 00*8 00 10 00*6 00*16";
  assert.match(line(5, 1, table), /^VHOST_USER_SET_MEM_TABLE regions=1 \{[^}]*\}$/);
  assert.match(
    line(5, 1, `${table} 00*32`),
    /^VHOST_USER_SET_MEM_TABLE regions=1 \{[^}]*\} surplus=32 bytes$/,
  );
  assert.match(line(5, 1, "02 00*39"), /undecodable/);
});
