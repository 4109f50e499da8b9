import type { Codec } from "../codec.ts";
import { u32 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * The direction and phase of a transfer of the device's internal state (specification: "Device
 * state transfer parameters").
 *
 * | offset | size | name      |
 * | ------ | ---- | --------- |
 * | 0      | 4    | direction |
 * | 4      | 4    | phase     |
 */
export interface DeviceStateParams {
  /** One of {@link TransferDirection}. */
  readonly direction: number;
  /** One of {@link MigrationPhase}. */
  readonly phase: number;
}

export const TransferDirection = {
  /** The state moves from the back-end to the front-end. */
  Save: 0,
  /** The state moves from the front-end to the back-end. */
  Load: 1,
} as const;

export const MigrationPhase = { Stopped: 0 } as const;

const directionNames = ["save", "load"];

export const deviceStateParams: Codec<DeviceStateParams> = struct<DeviceStateParams>(
  "device state parameters",
  8,
  {
    direction: { ...u32(0), format: (value) => directionNames[value] ?? String(value) },
    phase: { ...u32(4), format: (value) => (value === 0 ? "stopped" : String(value)) },
  },
);
