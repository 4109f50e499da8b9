import type { ReceiveCounters } from "./receive-queue.ts";

/**
 * Counters since the device was made. "Driver" and "device" have the meaning of the specification.
 */
export interface NetCounters extends ReceiveCounters, NetTransmitCounters {}

/** Sums of what the driver sent. */
export interface NetTransmitCounters {
  /** Frames that were taken. */
  txFrames: number;
  txBytes: number;
  /** Packets without a frame, with one of more than 64 KiB, or outside of shared memory. */
  txWrongSize: number;
  /** Packets that rely on offloads (check sum, segmentation), which are never offered. */
  txOffloads: number;
}

/** Returns the counters of a device that has seen no frame. */
export function zeroNetCounters(): NetCounters {
  return {
    txFrames: 0,
    txBytes: 0,
    txWrongSize: 0,
    txOffloads: 0,
    rxFrames: 0,
    rxBytes: 0,
    rxOverflow: 0,
    rxWrongSize: 0,
    rxFiltered: 0,
  };
}
