import { UsageError } from "../../core/base/errors/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { findDeviceKind, unknownDevice } from "../../endpoints/devices/registry.ts";

/**
 * Parses the value of a `--device` option.
 *
 * @throws {UsageError}
 */
export function parseDevice(text: string): DeviceKind {
  const kind = findDeviceKind(text);
  if (kind !== undefined) return kind;
  throw new UsageError(unknownDevice(text));
}

/** Returns whether the value of a `--device` option is the path of a module with a kit. */
export function isKitModule(text: string): boolean {
  return text.includes("/") || /\.[cm]?[jt]s$/.test(text);
}

/** Parses the value of a `--device` option that may also be the path of a module with a kit. */
export function parseDeviceOrModule(text: string): DeviceKind | string {
  return isKitModule(text) ? text : parseDevice(text);
}
