import { UsageError } from "../../core/base/errors.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { deviceKinds, findDeviceKind } from "../../endpoints/devices/registry.ts";

/**
 * Parses the value of a `--device` option.
 *
 * @throws {UsageError}
 */
export function parseDevice(text: string): DeviceKind {
  const kind = findDeviceKind(text);
  if (kind !== undefined) return kind;
  const names = deviceKinds.map(({ name }) => name).join(", ");
  throw new UsageError(`"${text}" is not a device type; the types are ${names}`);
}

/** Returns whether the value of a `--device` option is the path of a module with a kit. */
export function isKitModule(text: string): boolean {
  return text.includes("/") || /\.[cm]?[jt]s$/.test(text);
}

/** Parses the value of a `--device` option that may also be the path of a module with a kit. */
export function parseDeviceOrModule(text: string): DeviceKind | string {
  return isKitModule(text) ? text : parseDevice(text);
}
