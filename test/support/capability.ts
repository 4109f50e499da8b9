import type { Device, DeviceCapabilities } from "../../src/endpoints/backend/index.ts";

/** One capability of a device, which has to have it. */
export function capability<K extends keyof DeviceCapabilities>(
  { type, capabilities }: Device,
  name: K,
): NonNullable<DeviceCapabilities[K]> {
  const found = capabilities?.[name];
  if (found === undefined) throw new TypeError(`a ${type.name} device without ${name}`);
  return found;
}

/** Gives a device other capabilities besides or instead of its own. */
export function withCapabilities<D extends Device>(device: D, changes: DeviceCapabilities): D {
  return Object.assign(device, { capabilities: { ...device.capabilities, ...changes } });
}
