/**
 * The program of a worker that drives rings. It makes the driver halves in memory that it maps
 * again, reports their addresses, and blocks in {@link DriverLoop} once the back-end has started them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { openArena, type RegionTable } from "../memory/index.ts";
import { EventFd, OwnedFd } from "../os/index.ts";
import { createDriverQueue, type DriverQueue } from "../virtqueue/index.ts";
import { type DrivenRing, DriverLoop } from "./driver-loop.ts";
import type { DriverStart, FromDriver, RingLeft } from "./driver-messages.ts";
import type { RingDriverModule } from "./ring-driver.ts";

const start = workerData as DriverStart;
const asked = new Int32Array(start.asked);
const tables: RegionTable[] = [];
/** A driven ring, with the queue that reports its final state to the owner. */
type OwnedRing = DrivenRing & { readonly queue: DriverQueue };
const rings: OwnedRing[] = [];

function post(message: FromDriver): void {
  parentPort?.postMessage(message);
}

async function make(): Promise<void> {
  const { createRingDriver } = (await import(start.module)) as RingDriverModule;
  for (const { arena: handle, size, data, kick, call } of start.rings) {
    const { arena, table } = openArena(handle);
    tables.push(table);
    const queue = createDriverQueue({ size, memory: arena, features: start.ringFeatures });
    // The owner of the ring closes it.
    const event = EventFd.adopt(new OwnedFd(kick));
    const publish = (most?: number): void => {
      if (queue.publish(most)) event.signalOwn();
    };
    const host = { queue, memory: arena, features: start.features, publish };
    rings.push({ queue, driver: createRingDriver(host, data), call });
  }
  post({
    type: "ready",
    rings: rings.map(({ queue: { base, parts } }) => ({
      base,
      descriptor: parts.descriptors.ringAddress,
      available: parts.driver.ringAddress,
      used: parts.device.ringAddress,
    })),
  });
}

function run(): void {
  const control = {
    wake: EventFd.adopt(new OwnedFd(start.wake)),
    get asked() {
      return Atomics.load(asked, 0);
    },
  };
  new DriverLoop(rings, start.mode, control).run();
  post({ type: "left", rings: rings.map(leave) });
}

function leave({ queue, driver }: OwnedRing): RingLeft {
  const { base, published, broken } = queue;
  const fault = broken && `${broken.reason} (VIRTIO ${broken.section})`;
  return { base, published, fault, result: driver.result() };
}

parentPort?.once("message", () => {
  try {
    run();
  } finally {
    for (const table of tables) table.close();
  }
});
await make();
