import assert from "node:assert/strict";
import { test } from "node:test";
import * as p from "../../../../src/core/protocol/index.ts";

/**
 * The requests once more, written down from the protocol digest independently of the table:
 * number, name, codec of the request, descriptors, reply rule, codec of the reply, its descriptors,
 * needed features.
 */
type Row = readonly [
  number: number,
  name: string,
  payload: readonly [min: number, max: number],
  descriptors: readonly [min: number, max: number],
  rule: p.ReplyRule,
  reply: readonly [min: number, max: number],
  replyDescriptors: readonly [min: number, max: number],
  protocolBits: readonly number[],
  virtioBit?: number,
];

const none = [0, 0] as const;
const one = [1, 1] as const;
const maybe = [0, 1] as const;
const u64 = [8, 8] as const;
const any = [0, 4096] as const;
const config = [12, 4096] as const;
const region = [40, 48] as const;

const frontend: readonly Row[] = [
  [1, "GET_FEATURES", none, none, "own", u64, none, []],
  [2, "SET_FEATURES", u64, none, "ack", u64, none, []],
  [3, "SET_OWNER", none, none, "ack", u64, none, []],
  [4, "RESET_OWNER", none, none, "ack", u64, none, []],
  [5, "SET_MEM_TABLE", [8, 10128], [0, 253], "ack", u64, none, []],
  [6, "SET_LOG_BASE", [16, 16], maybe, "ack", u64, none, []],
  [7, "SET_LOG_FD", none, one, "ack", u64, none, []],
  [8, "SET_VRING_NUM", u64, none, "ack", u64, none, []],
  [9, "SET_VRING_ADDR", [40, 40], none, "ack", u64, none, []],
  [10, "SET_VRING_BASE", u64, none, "ack", u64, none, []],
  [11, "GET_VRING_BASE", u64, none, "own", u64, none, []],
  [12, "SET_VRING_KICK", u64, maybe, "ack", u64, none, []],
  [13, "SET_VRING_CALL", u64, maybe, "ack", u64, none, []],
  [14, "SET_VRING_ERR", u64, maybe, "ack", u64, none, []],
  [15, "GET_PROTOCOL_FEATURES", none, none, "own", u64, none, []],
  [16, "SET_PROTOCOL_FEATURES", u64, none, "ack", u64, none, []],
  [17, "GET_QUEUE_NUM", none, none, "own", u64, none, [0]],
  [18, "SET_VRING_ENABLE", u64, none, "ack", u64, none, [], 30],
  [19, "SEND_RARP", u64, none, "ack", u64, none, [2]],
  [20, "NET_SET_MTU", u64, none, "ack", u64, none, [4], 3],
  [21, "SET_BACKEND_REQ_FD", none, one, "ack", u64, none, [5]],
  [22, "IOTLB_MSG", [32, 32], none, "ack", u64, none, [], 33],
  [23, "SET_VRING_ENDIAN", u64, none, "ack", u64, none, [6]],
  [24, "GET_CONFIG", config, none, "own", any, none, [9]],
  [25, "SET_CONFIG", config, none, "ack", u64, none, [9]],
  [26, "CREATE_CRYPTO_SESSION", [632, 1072], none, "own", [632, 1072], none, [7]],
  [27, "CLOSE_CRYPTO_SESSION", u64, none, "ack", u64, none, [7]],
  [28, "POSTCOPY_ADVISE", none, none, "own", none, maybe, [8]],
  [29, "POSTCOPY_LISTEN", none, none, "ack", u64, none, [8]],
  [30, "POSTCOPY_END", none, none, "own", u64, none, [8]],
  [31, "GET_INFLIGHT_FD", [24, 24], none, "own", [24, 24], maybe, [12]],
  [32, "SET_INFLIGHT_FD", [24, 24], one, "ack", u64, none, [12]],
  [33, "GPU_SET_SOCKET", none, one, "ack", u64, none, []],
  [34, "RESET_DEVICE", none, none, "ack", u64, none, [13]],
  [35, "VRING_KICK", u64, none, "ack", u64, none, [14]],
  [36, "GET_MAX_MEM_SLOTS", none, none, "own", u64, none, [15]],
  [37, "ADD_MEM_REG", region, one, "ack", u64, none, [15]],
  [38, "REM_MEM_REG", region, maybe, "ack", u64, none, [15]],
  [39, "SET_STATUS", u64, none, "ack", u64, none, [16]],
  [40, "GET_STATUS", none, none, "own", u64, none, [16]],
  [41, "GET_SHARED_OBJECT", [16, 16], none, "own", any, maybe, [18]],
  [42, "SET_DEVICE_STATE_FD", u64, one, "own", u64, maybe, [19]],
  [43, "CHECK_DEVICE_STATE", none, none, "own", u64, none, [19]],
  [44, "GET_SHMEM_CONFIG", none, none, "own", [2056, 2056], none, [22]],
  [45, "GET_VRING_BASE_SKIP_DRAIN", u64, none, "own", u64, none, [23]],
];

const backend: readonly Row[] = [
  [1, "BACKEND_IOTLB_MSG", [32, 32], none, "ack", u64, none, [5], 33],
  [2, "BACKEND_CONFIG_CHANGE_MSG", none, none, "ack", u64, none, [5, 9]],
  [3, "BACKEND_VRING_HOST_NOTIFIER_MSG", [24, 24], maybe, "ack", u64, none, [5, 10, 11]],
  [4, "BACKEND_VRING_CALL", u64, none, "ack", u64, none, [5, 14]],
  [5, "BACKEND_VRING_ERR", u64, none, "ack", u64, none, [5, 14]],
  [6, "BACKEND_SHARED_OBJECT_ADD", [16, 16], none, "ack", u64, none, [5, 18]],
  [7, "BACKEND_SHARED_OBJECT_REMOVE", [16, 16], none, "ack", u64, none, [5, 18]],
  [8, "BACKEND_SHARED_OBJECT_LOOKUP", [16, 16], none, "own", u64, maybe, [5, 18]],
  [9, "BACKEND_SHMEM_MAP", [40, 40], one, "ack", u64, none, [5, 10, 22]],
  [10, "BACKEND_SHMEM_UNMAP", [40, 40], none, "ack", u64, none, [5, 22]],
];

const mask = (bits: readonly number[]): bigint =>
  bits.reduce((word, bit) => word | (1n << BigInt(bit)), 0n);

function rowOf(spec: p.RequestSpec): unknown {
  const bounds = ({ min, max }: p.Bounds): number[] => [min, max];
  const sizes = ({ minSize, maxSize }: p.Codec<unknown>): number[] => [minSize, maxSize];
  return {
    number: spec.number,
    name: spec.name,
    payload: sizes(spec.payload),
    descriptors: bounds(spec.descriptors),
    rule: spec.reply.rule,
    reply: sizes(spec.reply.codec),
    replyDescriptors: bounds(spec.reply.descriptors),
    protocol: spec.requires.protocol ?? 0n,
    virtio: spec.requires.virtio ?? 0n,
  };
}

function expectedRow(row: Row): unknown {
  const [number, name, payload, descriptors, rule, reply, replyDescriptors, bits, virtio] = row;
  return {
    number,
    name: `VHOST_USER_${name}`,
    payload: [...payload],
    descriptors: [...descriptors],
    rule,
    reply: [...reply],
    replyDescriptors: [...replyDescriptors],
    protocol: mask(bits),
    virtio: virtio === undefined ? 0n : mask([virtio]),
  };
}

const camel = (name: string): string =>
  name
    .toLowerCase()
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");

for (const [direction, rows, table, numbers] of [
  ["front-end", frontend, p.frontendRequests, p.FrontendRequest],
  ["back-end", backend, p.backendRequests, p.BackendRequest],
] as const) {
  test(`the ${direction} table says what the protocol says`, () => {
    for (const row of rows) {
      const spec = p.requestSpec(direction, row[0]);
      assert.ok(spec, row[1]);
      assert.deepEqual(rowOf(spec), expectedRow(row));
    }
  });

  test(`each ${direction} request has a number of its own`, () => {
    const used = Object.values(table).map(({ number }) => number);
    assert.deepEqual(
      used.sort((a, b) => a - b),
      Object.values(numbers),
    );
    assert.equal(new Set(used).size, used.length);
  });

  test(`the ${direction} constants carry the names of the specification`, () => {
    for (const [key, { number, name }] of Object.entries(table)) {
      assert.equal(camel(name.replace(/^VHOST_USER_(BACKEND_)?/, "")), key);
      assert.equal(Object.entries(numbers).find(([each]) => each === key)?.[1], number);
    }
  });
}

test("protocol features can be asked for before any was acknowledged", () => {
  const { GetProtocolFeatures, SetProtocolFeatures } = p.frontendRequests;
  for (const { requires } of [GetProtocolFeatures, SetProtocolFeatures]) {
    assert.deepEqual(requires, { offered: 1n << 30n });
  }
});

test("postcopy and memory slots exclude each other", () => {
  for (const number of [28, 29, 30]) {
    assert.equal(p.requestSpec("front-end", number)?.requires.without, 1n << 15n);
  }
});

test("every row has a section and a summary", () => {
  for (const spec of [...Object.values(p.frontendRequests), ...Object.values(p.backendRequests)]) {
    assert.match(spec.section, /^[A-Z]/);
    assert.match(spec.summary, /^[a-z].*[^.]$/);
  }
});

const REPLY_ACK = p.ProtocolFeature.ReplyAck;
const rule = (number: number, context: Partial<p.ReplyContext>): p.ReplyRule => {
  const spec = p.requestSpec("front-end", number);
  assert.ok(spec);
  return p.dueReply(spec, { protocolFeatures: 0n, needReply: false, ...context }).rule;
};

test("an acknowledgement is due only if asked for and negotiated", () => {
  assert.equal(rule(8, { needReply: true, protocolFeatures: REPLY_ACK }), "ack");
  assert.equal(rule(8, { needReply: true }), "none");
  assert.equal(rule(8, { protocolFeatures: REPLY_ACK }), "none");
});

test("a reply of its own is due whatever was negotiated, and is the only one", () => {
  assert.equal(rule(1, {}), "own");
  assert.equal(rule(1, { needReply: true, protocolFeatures: REPLY_ACK }), "own");
});

test("SET_LOG_BASE has a reply of its own with LOG_SHMFD, with any body", () => {
  assert.equal(rule(6, {}), "none");
  assert.equal(rule(6, { protocolFeatures: REPLY_ACK, needReply: true }), "ack");
  const protocolFeatures = p.ProtocolFeature.LogShmfd;
  assert.equal(rule(6, { protocolFeatures }), "own");
  const spec = p.frontendRequests.SetLogBase;
  const { codec } = p.dueReply(spec, { protocolFeatures, needReply: false });
  for (const size of [0, 8, 16]) codec.decode(new Uint8Array(size));
});

test("SET_MEM_TABLE is answered with the table in postcopy only", () => {
  assert.equal(rule(5, { postcopy: true }), "own");
  assert.equal(rule(5, {}), "none");
  assert.equal(rule(5, { postcopy: true, needReply: true, protocolFeatures: REPLY_ACK }), "ack");
});

test("IOTLB_MSG and the postcopy requests are answered when asked, REPLY_ACK or not", () => {
  assert.equal(rule(22, { needReply: true }), "ack");
  assert.equal(rule(29, { needReply: true }), "ack");
  assert.equal(rule(30, { needReply: true }), "own");
  for (const number of [22, 29, 30]) {
    assert.equal(p.requestSpec("front-end", number)?.reply.alwaysAsked, true);
  }
});

test("types of payloads and replies follow from the table", () => {
  const state: p.PayloadOf<typeof p.FrontendRequest.SetVringNum> = { index: 0, num: 256 };
  const features: p.ReplyOf<typeof p.FrontendRequest.GetFeatures> = 1n;
  const base: p.ReplyOf<typeof p.FrontendRequest.GetVringBase> = state;
  const refused: p.ReplyOf<typeof p.FrontendRequest.GetConfig> = undefined;
  const object: p.BackendPayloadOf<typeof p.BackendRequest.SharedObjectLookup> = {
    uuid: new Uint8Array(16),
  };
  const found: p.BackendReplyOf<typeof p.BackendRequest.SharedObjectLookup> = 0n;
  // @ts-expect-error a request that is only acknowledged has no reply of its own
  const acked: p.ReplyOf<typeof p.FrontendRequest.SetOwner> = 0n;
  // @ts-expect-error a queue size is a number, not a bigint
  const wrong: p.PayloadOf<typeof p.FrontendRequest.SetVringNum> = { index: 0, num: 256n };
  assert.ok([state, features, base, refused, object, found, acked, wrong].length > 0);
});
