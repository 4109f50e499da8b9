import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { deviceKinds, findDeviceKind } from "../../endpoints/devices/registry.ts";

/**
 * Infers the device type of a back-end, which vhost-user never transmits, from what it offers and
 * from the name of its program.
 *
 * @param program the name of the peer's program, where it is known
 */
export function inferDevice(
  virtio: bigint,
  protocol: bigint,
  program: string | undefined,
): DeviceKind | undefined {
  return deviceKinds.find((kind) => kind.recognizes?.(virtio, protocol)) ?? servedBy(program);
}

function servedBy(program: string | undefined): DeviceKind | undefined {
  if (program === undefined) return undefined;
  const known = deviceKinds.find(({ programs }) =>
    programs?.some((prefix) => program.startsWith(prefix)),
  );
  // Programs of rust-vmm and QEMU are named after their devices.
  const named = /^vhost-(?:device|user)-([a-z0-9]+)/.exec(program)?.[1];
  return known ?? (named === undefined ? undefined : findDeviceKind(named));
}
