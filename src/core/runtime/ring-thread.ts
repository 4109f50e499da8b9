/**
 * The program of a worker that serves rings, one at a time. Messages control it, and it owns
 * nothing but its mappings. While a ring is served the thread is blocked in {@link DeviceLoop},
 * which looks for messages itself; in between it waits for them on its event loop.
 */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { asError, StateError } from "../base/index.ts";
import { InflightRegion, RegionTable } from "../memory/index.ts";
import { EventFd, OwnedFd } from "../os/index.ts";
import {
  createDeviceQueue,
  type DeviceQueue,
  type DriverReports,
  ringFormat,
  RingLog,
  type RingMemory,
} from "../virtqueue/index.ts";
import { DeviceLoop, type LoopControl } from "./device-loop.ts";
import type { RingServer, RingServerModule } from "./ring-server.ts";
import type { FromWorker, RingEnd, RingSetup, ToWorker, WorkerStart } from "./worker-messages.ts";

const { port, wake, sent } = workerData as WorkerStart;
const sentCount = new Int32Array(sent);
/** Messages that the event loop delivered and that were not handled yet. */
const inbox: ToWorker[] = [];
let taken = 0;
let busy = false;
let end: RingEnd = { base: undefined, fault: undefined };

const control: LoopControl = {
  wake: EventFd.adopt(new OwnedFd(wake)),
  get pending() {
    // A plain load is enough: it runs at every look, and the message itself arrives by the port.
    return sentCount[0] !== taken;
  },
  obey(loop) {
    for (let message = take(); message !== undefined; message = take()) {
      if (message.type !== "events") {
        if (message.type === "exit") loop.abandon();
        unread(message);
        return false;
      }
      loop.replaceEvents(message);
      send({ type: "replaced" });
    }
    return true;
  },
};

function send(message: FromWorker): void {
  port.postMessage(message);
}

function take(): ToWorker | undefined {
  const message =
    inbox.shift() ?? (receiveMessageOnPort(port) as { message: ToWorker } | undefined)?.message;
  if (message !== undefined) taken = (taken + 1) | 0;
  return message;
}

function unread(message: ToWorker): void {
  inbox.unshift(message);
  taken = (taken - 1) | 0;
}

async function serve(message: ToWorker & { type: "start" }): Promise<void> {
  const { ring, module, data } = message;
  end = { base: ring.base, fault: undefined };
  const table = new RegionTable();
  let inflight: InflightRegion | undefined;
  let queue: DeviceQueue | undefined;
  let server: RingServer | undefined;
  try {
    const { createRingServer } = (await import(module)) as RingServerModule;
    server = createRingServer(data);
    table.borrow(ring.memory);
    if (ring.log !== undefined) table.log.borrow(ring.log);
    if (ring.inflight !== undefined) {
      const { description, fd } = ring.inflight;
      const packed = ring.features.packed === true;
      inflight = new InflightRegion(description, new OwnedFd(fd), packed, true);
    }
    queue = makeQueue(ring, table, inflight);
    const onIdleKick = (): void => send({ type: "idle-kick" });
    const { index, mode } = ring;
    const onSlowStop = (request: string): void => send({ type: "slow-stop", request });
    const events = message;
    const options = { index, queue, server, mode, events, control, onIdleKick, onSlowStop };
    new DeviceLoop(options).run();
    const { broken } = queue;
    end = {
      base: queue.state().base,
      fault: broken && `${broken.reason} (VIRTIO ${broken.section})`,
    };
  } catch (error) {
    const fault = `its worker failed: ${asError(error).message}`;
    end = { base: queue?.state().base ?? ring.base, fault };
  } finally {
    server?.close?.();
    table.close();
    inflight?.close();
  }
  if (end.fault !== undefined) send({ type: "broken", ...end });
}

function makeQueue(
  ring: RingSetup,
  table: RegionTable,
  inflightRegion: InflightRegion | undefined,
): DeviceQueue {
  const { index, size, features, base, areas, ringLog } = ring;
  const packed = features.packed === true;
  const layout = ringFormat(packed).layout(size);
  const part = (name: keyof RingMemory): RingMemory[keyof RingMemory] => {
    const view = table.locate(areas[name], layout[name].bytes);
    if (view === undefined) throw new StateError(`the ${name} area is in no memory region`);
    return view;
  };
  const memory = {
    descriptors: part("descriptors"),
    driver: part("driver"),
    device: part("device"),
  };
  const inflight = inflightRegion?.area(index, packed);
  const log = new RingLog(table.log);
  if (ringLog !== undefined) log.setting = ringLog;
  const reports = reportsOf(ring);
  return createDeviceQueue({ size, memory, space: table, features, base, inflight, log, reports });
}

/**
 * Makes the reports about the driver. Each is sent once per start, so that the ring does not wait
 * for them.
 */
function reportsOf({ strict }: RingSetup): DriverReports {
  const uses = new Set<string>();
  let isUnreachable = false;
  return {
    tolerates(feature) {
      if (!uses.has(feature)) send({ type: "unacknowledged", feature });
      uses.add(feature);
      return !strict;
    },
    unreachable(fault) {
      if (!isUnreachable) send({ type: "unreachable", fault });
      isUnreachable = true;
    },
  };
}

/** Executes one message after another; a start takes as long as the ring runs. */
async function pump(): Promise<void> {
  if (busy) return;
  busy = true;
  for (let message = take(); message !== undefined; message = take()) {
    if (message.type === "start") await serve(message);
    else if (message.type === "stop") send({ type: "stopped", ...end });
    else if (message.type === "events") send({ type: "replaced" });
    else port.close();
  }
  busy = false;
}

port.on("message", (message: ToWorker) => {
  inbox.push(message);
  void pump();
});
