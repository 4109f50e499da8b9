/** A buffer outside of shared memory fails its request in the way of the device type; the ring goes on. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Device } from "../../../../src/endpoints/backend/index.ts";
import { CryptoDevice, CryptoStatus } from "../../../../src/endpoints/devices/crypto/index.ts";
import { FsDevice, SharedFolder } from "../../../../src/endpoints/devices/fs/index.ts";
import { NetDevice, NetSinkDevice } from "../../../../src/endpoints/devices/net/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runningQueue } from "../../support/block.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { openRings, segmentsOf } from "../../support/rings.ts";
import { capability } from "../../../support/capability.ts";

guardLeaks();

const FAR = 0x6000_0000;
const EIO = 5;

/** Where the parts of a chain are: addresses and lengths, the first `readable` of them readable. */
type Parts = readonly (readonly [address: number, length: number])[];

function ringOf(t: TestContext, device: Device, index: number, packed: boolean) {
  const { memory, table, driver, device: queue } = openRings({ packed, indirect: true });
  t.after(() => {
    device.capabilities?.lifecycle?.close?.();
    table.close();
    memory.close();
  });
  device.capabilities?.lifecycle?.negotiated?.(1n << 32n);
  const { guestAddress: at, bytes } = memory.allocate(4096);
  const broken = (): string | undefined => queue.broken?.reason;
  /** Used length of a chain; undefined: it is not used. */
  const serve = (parts: Parts, readable: number): number | undefined => {
    assert.ok(driver.add(segmentsOf(...parts), readable, 0));
    driver.publish();
    device.process({ ...runningQueue(queue), index });
    queue.publish();
    let used: number | undefined;
    driver.poll((_token, written) => (used = written), 8);
    return used;
  };
  return { at, bytes, view: new DataView(bytes.buffer, bytes.byteOffset), serve, broken };
}

function files(t: TestContext): FsDevice {
  const path = join(temporaryFolder(t), "shared");
  mkdirSync(path);
  const folder = SharedFolder.open(path);
  t.after(() => folder.close());
  return new FsDevice({ folder });
}

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`a file system request fails with EIO (${format})`, (t) => {
    const { at, bytes, view, serve, broken } = ringOf(t, files(t), 1, packed);
    view.setUint32(0, 40, true);
    view.setUint32(4, 3, true);
    view.setBigUint64(8, 77n, true);
    bytes.fill(0xee, 64);
    for (let i = 0; i < 2; i += 1) {
      const parts: Parts = [
        [at, 40],
        [at + 64, 16],
        [FAR, 104],
      ];
      assert.equal(serve(parts, 1), 16);
      assert.deepEqual([view.getInt32(68, true), view.getBigUint64(72, true)], [-EIO, 77n]);
    }
    // The request cannot be read, its reply can be written.
    assert.equal(
      serve(
        [
          [FAR, 40],
          [at + 64, 16],
        ],
        1,
      ),
      16,
    );
    assert.equal(view.getInt32(68, true), -EIO);
    // A request without a reply.
    assert.equal(serve([[FAR, 48]], 1), 0);
    assert.equal(broken(), undefined);
    // The reply has no place: the driver could never learn of the failure.
    assert.equal(
      serve(
        [
          [at, 40],
          [FAR, 16],
        ],
        1,
      ),
      undefined,
    );
    assert.match(broken() ?? "", /inside shared memory/);
  });

  test(`a crypto request fails with an error (${format})`, (t) => {
    const { at, bytes, serve, broken } = ringOf(t, new CryptoDevice(), 0, packed);
    const parts: Parts = [
      [at, 72],
      [FAR, 16],
      [at + 100, 1],
    ];
    bytes[100] = 0xee;
    assert.equal(serve(parts, 1), 0);
    assert.equal(bytes[100], CryptoStatus.Error);
    assert.equal(broken(), undefined);
  });

  for (const [name, make] of [
    ["net", () => new NetDevice()],
    ["sink", () => new NetSinkDevice()],
  ] as const) {
    test(`a frame is dropped and counted (${name}, ${format})`, (t) => {
      const device = make();
      const { at, serve, broken } = ringOf(t, device, 1, packed);
      const parts: Parts = [
        [at, 12],
        [FAR, 60],
      ];
      assert.equal(serve(parts, 2), 0);
      assert.equal(serve([[FAR, 72]], 1), 0);
      assert.equal(serve([[at, 72]], 1), 0);
      const { txWrongSize, txFrames } = device.counters;
      assert.deepEqual([txWrongSize, txFrames], [2, 1]);
      assert.equal(broken(), undefined);
    });
  }

  test(`a control command is answered with an error (${format})`, (t) => {
    const net = new NetDevice({ control: { mac: "52:54:00:12:34:56" } });
    const { at, bytes, serve, broken } = ringOf(t, net, 2, packed);
    capability(net, "lifecycle").negotiated?.((1n << 32n) | (1n << 17n) | (1n << 18n));
    bytes[8] = 0xee;
    const parts: Parts = [
      [FAR, 3],
      [at + 8, 1],
    ];
    assert.equal(serve(parts, 1), 1);
    assert.equal(bytes[8], 1);
    assert.equal(broken(), undefined);
  });
}
