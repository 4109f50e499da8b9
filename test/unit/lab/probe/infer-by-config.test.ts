import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolFeature } from "../../../../src/core/protocol/index.ts";
import { encodeFsConfig } from "../../../../src/endpoints/devices/fs/index.ts";
import { inferByConfig } from "../../../../src/lab/probe/index.ts";

const protocol = ProtocolFeature.Config;
const shared = encodeFsConfig({ tag: "shared", numRequestQueues: 1 });

/** The name of the type that a space shows, and how often it was read. */
async function inferred(
  config: Uint8Array | undefined,
  offer: { readonly virtio?: bigint; readonly protocol?: bigint } = {},
  wanted?: string,
): Promise<string> {
  let reads = 0;
  const read = async (): Promise<Uint8Array | undefined> => {
    reads += 1;
    return config;
  };
  const kind = await inferByConfig({ virtio: 0n, protocol, ...offer, read }, wanted);
  return `${kind?.name ?? "none"} after ${reads}`;
}

/** A space with these bytes at these offsets. */
function space(...parts: readonly (readonly [offset: number, bytes: readonly number[]])[]) {
  const bytes = new Uint8Array(44);
  for (const [offset, content] of parts) bytes.set(content, offset);
  return bytes;
}

test("a tag and a number of queues are the configuration space of a file system", async () => {
  assert.equal(await inferred(shared), "fs after 1");
  const full = encodeFsConfig({ tag: "é".repeat(18), numRequestQueues: 1024 });
  assert.equal(await inferred(full), "fs after 1", "36 bytes have no NUL");
});

test("other spaces are not one of a file system", async () => {
  const one = [1, 0, 0, 0];
  for (const [what, config] of [
    ["refused", undefined],
    ["short", shared.subarray(0, 36)],
    ["zeros", space()],
    ["a disk of 65 sectors", space([0, [65]], [12, [126]])],
    ["text behind the NUL", space([0, [65, 0, 65]], [36, one])],
    ["a control character", space([0, [65, 7]], [36, one])],
    ["no UTF-8", space([0, [0xff, 0xfe]], [36, one])],
    ["no queue", space([0, [65, 66]])],
    ["65,536 queues", space([0, [65, 66]], [38, [1]])],
  ] as const)
    assert.equal(await inferred(config), "none after 1", what);
});

test("a space is read only where it may decide", async () => {
  assert.equal(await inferred(shared, { protocol: 0n }), "none after 0", "it cannot be read");
  assert.equal(await inferred(shared, { virtio: 1n << 5n }), "none after 0", "a bit of a card");
  assert.equal(await inferred(shared, {}, "fs"), "none after 0", "the type is the wanted one");
});
