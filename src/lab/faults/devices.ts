import { BlockRequest, BlockStatus } from "../../endpoints/devices/block/index.ts";
import type { Fault } from "./fault.ts";
import { DelayedDevice } from "./delayed-device.ts";
import { type RequestTap, TappedDevice } from "./tapped-device.ts";

/** A status byte that no device writes; drivers put it there to see whether one was written. */
const NOT_WRITTEN = 0xff;

function deviceFault(name: string, summary: string, breaks: string, tap: () => RequestTap): Fault {
  return {
    name,
    summary,
    breaks,
    where: "device",
    takesRequest: false,
    wrap: (device) => new TappedDevice(device, tap()),
  };
}

/** Faults of block devices that fail or return wrong data, and a delay for any device. */
export const deviceFaults: readonly Fault[] = [
  {
    name: "late-completions",
    summary: "completes each request after a time of its own, so in another order",
    where: "device",
    takesRequest: false,
    parameter: { summary: "the longest delay in ms", standard: 5, min: 1, max: 60_000 },
    wrap: (device, maxMs) => new DelayedDevice(device, maxMs),
  },
  deviceFault(
    "device-io-error",
    "completes every request with VIRTIO_BLK_S_IOERR",
    "VIRTIO 5.2.6",
    () => ({
      served: (request) => {
        request.status = BlockStatus.IoError;
      },
    }),
  ),
  deviceFault("corrupt-read", "flips one bit of what is read", "VIRTIO 5.2.6", () => ({
    served: (request) => {
      if (request.type === BlockRequest.In) request.spoilRead();
    },
  })),
  deviceFault("corrupt-write", "flips one bit of what is written", "VIRTIO 5.2.6", () => ({
    arrives: (request) => {
      if (request.type === BlockRequest.Out) request.spoilWrite();
      return false;
    },
    // The driver's buffer is not the device's to change: put back what it held.
    served: (request) => {
      if (request.type === BlockRequest.Out) request.spoilWrite();
    },
  })),
  deviceFault(
    "lost-write",
    "says that a write went well and does not do it",
    "VIRTIO 5.2.6",
    () => ({
      arrives: (request) => request.type === BlockRequest.Out,
    }),
  ),
  deviceFault(
    "flush-does-nothing",
    "says that a flush went well and does not do it",
    "VIRTIO 5.2.6",
    () => ({ arrives: (request) => request.type === BlockRequest.Flush }),
  ),
  deviceFault("status-missing", "completes requests without a status", "VIRTIO 5.2.6", () => ({
    served: (request) => {
      request.status = NOT_WRITTEN;
    },
  })),
];
