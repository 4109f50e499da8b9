import { NetDevice, type NetDeviceOptions } from "./device.ts";
import { ETHERNET_HEADER_BYTES } from "../../../netstack/ethernet.ts";
import type { SourcePort } from "../../../netstack/frame-source.ts";
import type { NetResponder } from "../../../netstack/responder.ts";

/** Frames that wait for a driver's buffers before a source holds back. */
const SOURCE_BACKLOG = 64;
const NO_FRAMES: readonly Uint8Array[] = [];

/** A frame that passes, seen from the driver: it sent it or it is to receive it. */
export type FrameTap = (frame: Uint8Array, way: "sent" | "received", pair: number) => void;

export type NetServiceOptions = Omit<NetDeviceOptions, "onFrame"> & {
  /** Sees each frame; it is only borrowed. */
  readonly tap?: FrameTap | undefined;
};

/** Makes a device that answers each frame with those that `answer` returns. */
function answeringDevice(
  { tap, ...options }: NetServiceOptions,
  answer: (frame: Uint8Array) => readonly Uint8Array[],
): NetDevice {
  const device: NetDevice = new NetDevice({
    ...options,
    onFrame: (frame, pair) => {
      tap?.(frame, "sent", pair);
      for (const reply of answer(frame)) {
        tap?.(reply, "received", pair);
        device.send(reply, pair);
      }
    },
  });
  return device;
}

/** A device that sends every frame back on its pair, with the addresses exchanged. */
export function echoDevice(options: NetServiceOptions = {}): NetDevice {
  return answeringDevice(options, (frame) => {
    // A driver may send any bytes, including fewer than two addresses.
    if (frame.length < ETHERNET_HEADER_BYTES) return NO_FRAMES;
    const reply = frame.slice();
    reply.set(frame.subarray(6, 12), 0);
    reply.set(frame.subarray(0, 6), 6);
    return [reply];
  });
}

/** A device that takes every frame and does nothing with it; its counters have their number. */
export function sinkDevice(options: NetServiceOptions = {}): NetDevice {
  return answeringDevice(options, () => NO_FRAMES);
}

/** A device behind which one station answers. */
export function respondingDevice(
  responder: NetResponder,
  options: NetServiceOptions = {},
): NetDevice {
  return answeringDevice(options, (frame) => responder.answer(frame));
}

/** A device as something that a source sends to, at the pace of the driver's buffers. */
export function sourcePort(device: NetDevice, tap?: FrameTap): SourcePort {
  return {
    queuePairs: device.queuePairs,
    isReady: (pair) => device.waiting(device.pairFor(pair)) < SOURCE_BACKLOG,
    send(frame, pair) {
      tap?.(frame, "received", pair);
      return device.send(frame, pair);
    },
  };
}

/**
 * Two devices joined by a wire: what one's driver sends, the other's receives, pair by pair as far
 * as the other uses that pair.
 */
export function joinedDevices(
  first: NetServiceOptions = {},
  second: NetServiceOptions = {},
): readonly [NetDevice, NetDevice] {
  const make = (options: NetServiceOptions, other: () => NetDevice): NetDevice => {
    const { tap, ...rest } = options;
    return new NetDevice({
      ...rest,
      onFrame: (frame, pair) => {
        tap?.(frame, "sent", pair);
        // The other side may have fewer pairs.
        other().send(frame, pair % other().queuePairs);
      },
    });
  };
  const pair: readonly [NetDevice, NetDevice] = [
    make(first, () => pair[1]),
    make(second, () => pair[0]),
  ];
  return pair;
}
