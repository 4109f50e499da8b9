import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { parsedLate } from "./options.ts";

/**
 * Returns the device type that the value of `--device` names. Loads the device types only where there
 * is a value: they bring all drivers along.
 *
 * @throws {UsageError} there is no such type, or the module exports no kit
 */
export async function namedKind(name: string | undefined): Promise<DeviceKind | undefined> {
  if (name === undefined) return undefined;
  const { parseDeviceOrModule } = await import("./device-option.ts");
  const device = parsedLate("--device", name, parseDeviceOrModule);
  if (typeof device !== "string") return device;
  const { loadKit } = await import("./kit-module.ts");
  return (await loadKit(device)).kind;
}
