import { blockType } from "../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BACKEND_PROTOCOL_FEATURES,
  BACKEND_RING_FEATURES,
} from "../../src/endpoints/backend/index.ts";
import {
  ProtocolFeature,
  protocolFeatureNames,
  virtioFeatureNames,
} from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

/** SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, MQ, DISCARD, WRITE_ZEROES on top of rings and transport. */
const OFFER = BACKEND_RING_FEATURES | 0x7644n;
const PROTOCOL_OFFER =
  BACKEND_PROTOCOL_FEATURES |
  ProtocolFeature.Config |
  ProtocolFeature.DeviceState |
  ProtocolFeature.GetVringBaseInflight |
  ProtocolFeature.GetVringBaseSkipDrain;

function hex(bits: bigint): string {
  return `0x${bits.toString(16)}`;
}

interface ProbeDocument {
  virtioFeatures: string[];
  protocolFeatures: string[];
  virtioFeatureBits: string | null;
  protocolFeatureBits: string | null;
  queues: number | null;
  memorySlots: number | null;
  device: string | null;
  config: Record<string, unknown> | null;
  hints: { id: string; text: string }[];
  timingsUs: Record<string, number | null>;
}

async function probed(
  t: test.TestContext,
  served: readonly string[],
  args: readonly string[] = [],
): Promise<ProbeDocument & Record<string, unknown>> {
  const space = new Workspace(t);
  const { socket } = await space.serve(served);
  const { code, stdout, stderr } = await space.run(["probe", socket, "--json", ...args]);
  assert.deepEqual([code, stderr], [0, ""]);
  const result = parseDocument<ProbeDocument & Record<string, unknown>>("probe", stdout);
  assert.equal(result["socket"], socket);
  return result;
}

test("a disk with one queue gets a hint, in the document and for people", async (t) => {
  const { hints } = await probed(t, ["--size", "1M", "--queues", "1"]);
  assert.deepEqual(
    hints.map(({ id }) => id),
    ["few-queues"],
  );
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M", "--queues", "1"]);
  const { stdout } = await space.run(["probe", socket]);
  assert.match(stdout, /^hint {14}1 request queue: QEMU wants one per vCPU .*num-queues=1 there$/m);
});

test("probe --json of the built-in back-end keeps its contract", async (t) => {
  const result = await probed(t, ["--size", "16M", "--queues", "3"]);
  // How many queues are few depends on the machine's processors.
  const { socket: _socket, timingsUs, hints: _hints, ...rest } = result;
  assert.deepEqual(Object.keys(result), [
    "schemaVersion",
    "kind",
    "socket",
    "role",
    "device",
    "virtioFeatures",
    "protocolFeatures",
    "virtioFeatureBits",
    "protocolFeatureBits",
    "queues",
    "memorySlots",
    "config",
    "hints",
    "timingsUs",
  ]);
  assert.deepEqual(rest, {
    schemaVersion: 1,
    kind: "probe",
    role: "back-end",
    device: "block",
    virtioFeatures: virtioFeatureNames(OFFER, blockType),
    protocolFeatures: protocolFeatureNames(PROTOCOL_OFFER),
    virtioFeatureBits: hex(OFFER),
    protocolFeatureBits: hex(PROTOCOL_OFFER),
    queues: 3,
    memorySlots: 509,
    config: {
      capacity: 32_768,
      sizeMax: 0,
      segMax: 126,
      geometry: { cylinders: 0, heads: 0, sectors: 0 },
      blkSize: 512,
      physicalBlockExp: 3,
      alignmentOffset: 0,
      minIoSize: 1,
      optIoSize: 0,
      wce: 0,
      numQueues: 3,
      maxDiscardSectors: 2_097_152,
      maxDiscardSeg: 16,
      discardSectorAlignment: 8,
      maxWriteZeroesSectors: 8192,
      maxWriteZeroesSeg: 16,
      writeZeroesMayUnmap: 1,
    },
  });
  assert.deepEqual(Object.keys(timingsUs), [
    "connect",
    "role",
    "features",
    "protocolFeatures",
    "queues",
    "memorySlots",
    "config",
  ]);
  for (const us of Object.values(timingsUs)) assert.ok(Number.isSafeInteger(us) && Number(us) > 0);
  assert.ok(Number(timingsUs["role"]) >= 19_000, "the wait for a front-end's first word");
});

test("a back-end without protocol features has nulls where nothing could be asked", async (t) => {
  const result = await probed(t, ["--without", "VHOST_USER_F_PROTOCOL_FEATURES"]);
  const { protocolFeatures, protocolFeatureBits, queues, memorySlots, config, timingsUs } = result;
  assert.deepEqual(
    { protocolFeatures, protocolFeatureBits, queues, memorySlots, config },
    {
      protocolFeatures: [],
      protocolFeatureBits: null,
      queues: null,
      memorySlots: null,
      config: null,
    },
  );
  for (const phase of ["protocolFeatures", "queues", "memorySlots", "config"]) {
    assert.equal(timingsUs[phase], null);
  }
});

test("--without and --features change the offer", async (t) => {
  const without = await probed(t, [
    "--without",
    "EVENT_IDX,VIRTIO_BLK_F_FLUSH,CONFIGURE_MEM_SLOTS",
  ]);
  assert.equal(without.virtioFeatureBits, hex(OFFER & ~0x2000_0200n));
  assert.equal(without.protocolFeatureBits, hex(PROTOCOL_OFFER & ~0x8000n));
  assert.equal(without.memorySlots, null);
  const only = "VIRTIO_F_VERSION_1,VHOST_USER_F_PROTOCOL_FEATURES,VIRTIO_BLK_F_SEG_MAX,REPLY_ACK";
  const chosen = await probed(t, ["--features", only]);
  assert.equal(chosen.virtioFeatureBits, "0x140000004");
  assert.deepEqual(chosen.protocolFeatures, ["VHOST_USER_PROTOCOL_F_REPLY_ACK"]);
  assert.equal(chosen.queues, null);
});

test("features are also understood as bit numbers and masks, of either word", async (t) => {
  const result = await probed(t, ["--without", "29,protocol:0x200,virtio:9"]);
  assert.equal(result.virtioFeatureBits, hex(OFFER & ~0x2000_0200n));
  assert.equal(result.protocolFeatureBits, hex(PROTOCOL_OFFER & ~0x200n));
  assert.equal(result.config, null);
});

test("--device decides where the type cannot be inferred, and decodes the configuration for it", async (t) => {
  const result = await probed(t, [], ["--device", "virtio-net"]);
  assert.equal(result.device, "net");
  assert.equal(typeof result.config?.["mac"], "string");
});

test("the text has all that the document has", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--queues", "2"]);
  const { code, stdout, stderr } = await space.run(["probe", socket]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const line of [
    /^role +back-end \(node\)$/m,
    /^device +block$/m,
    /^virtio features +0x[0-9a-f]+$/m,
    /^ {2}VIRTIO_RING_F_EVENT_IDX$/m,
    /^protocol features 0x[0-9a-f]+$/m,
    /^ {2}VHOST_USER_PROTOCOL_F_REPLY_ACK$/m,
    /^queues +2$/m,
    /^memory slots +509$/m,
    /^ {2}capacity +131072$/m,
    /^time +connect \d+ µs, role \d+ µs, features \d+ µs, /m,
  ]) {
    assert.match(stdout, line);
  }
});

test("--explain says in one line what each bit means", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve();
  const { code, stdout } = await space.run(["probe", socket, "--explain"]);
  assert.equal(code, 0);
  const lines = stdout.split("\n").filter((line) => /^ +\d+ V(IRTIO|HOST)_/.test(line));
  const names = [...virtioFeatureNames(OFFER, blockType), ...protocolFeatureNames(PROTOCOL_OFFER)];
  assert.deepEqual(
    lines.map((line) => /V\w+/.exec(line)?.[0]),
    names,
  );
  for (const line of lines) assert.match(line, /^ +\d+ \w+ {2,}\S+ \S+/);
});

test("-v shows that a probe starts nothing: requests 1, 15, 16, 17, 36 and 24 only", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["-v"]);
  const { stdout, stderr } = await space.run(["probe", socket, "-v", "--json"]);
  JSON.parse(stdout);
  const sent = stderr.split("\n").filter((line) => line.startsWith("> "));
  assert.deepEqual(
    sent.map((line) => /VHOST_USER_(\w+)/.exec(line)?.[1]),
    [
      "GET_FEATURES",
      "GET_PROTOCOL_FEATURES",
      "SET_PROTOCOL_FEATURES",
      "GET_QUEUE_NUM",
      "GET_MAX_MEM_SLOTS",
      "GET_CONFIG",
    ],
  );
  assert.match(server.stderr, /front-end connected/);
});

test("probing leaves the back-end as it was, many times", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve();
  const results = await Promise.all(
    Array.from({ length: 4 }, async () => space.run(["probe", socket, "--json"])),
  );
  for (const { code } of results) assert.equal(code, 0);
});
