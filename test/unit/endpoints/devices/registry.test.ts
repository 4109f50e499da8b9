import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceKinds, findDeviceKind } from "../../../../src/endpoints/devices/registry.ts";
import {
  decodePresentConfig,
  describeByLayout,
  encodeConfig,
} from "../../../../src/core/protocol/index.ts";
import { netConfigLayout } from "../../../../src/endpoints/devices/net/config.ts";

test("device types have names, further names and ids of their own", () => {
  const names = deviceKinds.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  assert.deepEqual(names.toSorted(), [...new Set(names)].toSorted());
  const ids = deviceKinds.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)]);
});

test("a device type is found by any of its names, in any case, with the usual prefixes", () => {
  for (const kind of deviceKinds) {
    for (const name of [kind.name, ...(kind.aliases ?? [])]) {
      for (const text of [name, name.toUpperCase(), `virtio-${name}`, `vhost-user-${name}`]) {
        assert.equal(findDeviceKind(text), kind, text);
      }
    }
  }
  assert.equal(findDeviceKind("toString"), undefined);
  assert.equal(findDeviceKind(""), undefined);
});

test("device types have the ids of VIRTIO", () => {
  const ids: Record<string, number> = { net: 1, block: 2, console: 3, rng: 4, scsi: 8, gpu: 16 };
  Object.assign(ids, { input: 18, vsock: 19, crypto: 20, sound: 25, fs: 26, i2c: 34, gpio: 41 });
  for (const [name, id] of Object.entries(ids)) assert.equal(findDeviceKind(name)?.id, id, name);
});

test("the bits of each device type are in ascending order and leave those of the transport alone", () => {
  for (const { name, features } of deviceKinds) {
    const bits = features.map(([bit]) => bit);
    assert.deepEqual(
      bits,
      [...new Set(bits)].toSorted((a, b) => a - b),
      name,
    );
    assert.deepEqual(
      bits.filter((bit) => bit > 23 && bit < 50),
      [],
      name,
    );
  }
});

test("the fields of each configuration space do not overlap, and the sizes end behind a field", () => {
  for (const { name, config } of deviceKinds) {
    if (config === undefined) continue;
    let end = 0;
    for (const { offset, size } of Object.values(config.fields)) {
      assert.ok(offset >= end, name);
      end = offset + size;
    }
    const [largest = 0] = config.sizes;
    assert.ok(largest >= end, name);
    assert.deepEqual(
      config.sizes,
      config.sizes.toSorted((a, b) => b - a),
      name,
    );
  }
});

test("each device type has queues", () => {
  for (const { name, queues } of deviceKinds) {
    const { once = [], repeated = [], last = [] } = queues;
    assert.ok(once.length + repeated.length + last.length > 0, name);
  }
});

test("a short configuration space has the fields that it holds", () => {
  const config = {
    mac: "52:54:00:12:34:56",
    status: 1,
    maxVirtqueuePairs: 2,
    mtu: 1500,
    speed: 10_000,
    duplex: 1,
  };
  const bytes = encodeConfig(netConfigLayout, config);
  assert.equal(bytes.length, 24);
  assert.deepEqual(decodePresentConfig(netConfigLayout, bytes), config);
  assert.deepEqual(decodePresentConfig(netConfigLayout, bytes.subarray(0, 10)), {
    mac: "52:54:00:12:34:56",
    status: 1,
    maxVirtqueuePairs: 2,
  });
});

test("the chains of each type are those of its queues, and their fields have names of their own", () => {
  for (const kind of deviceKinds) {
    const { name, chains = {}, queues } = kind;
    const { once = [], repeated = [], last = [] } = queues;
    for (const [queue, { request = [], reply = [], status }] of Object.entries(chains)) {
      assert.ok([...once, ...repeated, ...last].includes(queue), `${name} ${queue}`);
      assert.ok(!("describeChain" in kind), name);
      const names = [...request, ...reply].map((field) => field.name);
      assert.deepEqual(names, [...new Set(names)], `${name} ${queue}`);
      if (status !== undefined) assert.ok(reply.some((field) => field.name === status.field));
    }
  }
});

test("chains are put in words by their layout, as far as their bytes reach", () => {
  const layout = findDeviceKind("gpio")?.chains?.["requestq"];
  assert.ok(layout);
  const chain = {
    readable: 8,
    writable: 2,
    written: 2,
    request: Uint8Array.of(4, 0, 7, 0, 0, 0, 0, 0),
    reply: (at: number, length: number) => Uint8Array.of(1, 0).subarray(at, at + length),
  };
  assert.deepEqual(describeByLayout(layout, chain), {
    text: "GET_VALUE line=7 value=0: ERR result=0",
    fields: { request: "GET_VALUE", line: 7, value: 0, status: "ERR", result: 0 },
    failed: true,
  });
  const short = { ...chain, written: undefined, request: Uint8Array.of(9, 0) };
  assert.deepEqual(describeByLayout(layout, short), { text: "request=9", fields: { request: 9 } });
});
