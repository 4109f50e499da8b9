import type { DeviceConfig } from "./capabilities.ts";

/**
 * Makes a configuration space of which a driver may change no field. A write of the present values is
 * accepted.
 *
 * @param current returns the `size` bytes of the space, which the device itself may change
 */
export function readOnlyConfig(size: number, current: () => Uint8Array): DeviceConfig {
  return {
    size,
    read: (offset, out) => out.set(current().subarray(offset, offset + out.length)),
    write: (offset, written) => {
      const bytes = current();
      return written.every((byte, i) => byte === bytes[offset + i]);
    },
  };
}
