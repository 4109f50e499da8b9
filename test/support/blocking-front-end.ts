/**
 * A front-end as programs are that make plain event descriptors (`eventfd(0, 0)`): it waits for a
 * completion in a blocking read(2) of the call descriptor, and fails when that does not wait.
 *
 *   node blocking-front-end.js SOCKET [REQUESTS] [packed]
 *
 * REQUESTS  how many reads of the disk; without it, it goes on until it is ended
 */
import { readSync, writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { BLOCK_DRIVER_FEATURES, BlockRequest } from "../../src/endpoints/devices/block/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { SegmentList } from "../../src/core/virtqueue/index.ts";
import { isNonBlocking, makeBlocking } from "./open-file.ts";

const BLOCK = 4096;
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

const [path = "", requests = "Infinity", format] = process.argv.slice(2);
const client = await Client.connect(path, {
  deviceFeatures: BLOCK_DRIVER_FEATURES,
  memory: { size: 1 << 20 },
  timeoutMs: 5000,
  packed: format === "packed",
  onConfigChange: () => undefined,
});
const queue = client.createQueue({
  index: 0,
  size: 16,
  ringMode: "event",
  handler: { done: () => undefined, failed: () => undefined },
});
const { ring, kick, call, error } = queue;
const descriptors = [kick, call, error].map(({ descriptor }) => descriptor.fd);
makeBlocking(...descriptors);
await client.startQueue(queue);
// From here on this program collects the completions itself.
queue.stop();
call.drain();

const buffer = client.memory.allocate(32 + BLOCK, 64);
const { bytes } = buffer;
const head = new DataView(bytes.buffer, bytes.byteOffset);
const segments = new SegmentList(3);
const counter = new Uint8Array(8);
for (let done = 0; done < Number(requests); done += 1) {
  head.setUint32(0, BlockRequest.In, true);
  head.setBigUint64(8, 0n, true);
  bytes[16] = 0xff;
  segments.clear();
  segments.pushPart(buffer, 0, 16);
  segments.pushPart(buffer, 32, BLOCK);
  segments.pushPart(buffer, 16, 1);
  ring.add(segments, 1, 0);
  if (ring.publish()) writeSync(kick.descriptor.fd, ONE);
  while (ring.poll(() => undefined, 1) === 0) {
    if (ring.broken !== undefined) throw new Error(ring.broken.reason);
    // Throws EAGAIN where the descriptor has become non-blocking.
    if (ring.enableNotifications()) readSync(call.descriptor.fd, counter);
  }
  if (bytes[16] !== 0) throw new Error(`the request failed with status ${bytes[16]}`);
  await setImmediate();
}
await client.stopQueue(queue);
if (descriptors.some(isNonBlocking)) throw new Error("the mode of a descriptor was changed");
await client.close();
process.stdout.write(`${requests} requests completed\n`);
