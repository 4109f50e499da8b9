import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import type { KnownDevice } from "../conformance/kit/back-end/facts.ts";
import { blockKit } from "./block/kit.ts";
import { fsKit } from "./fs/kit.ts";
import type { DeviceKit } from "../conformance/kit/back-end/kit.ts";
import { netKit } from "./net/kit.ts";

const kits: readonly DeviceKit[] = [blockKit, netKit, fsKit];

/** Returns a device type with its kit, where there is one. */
export function knownDevice(device: DeviceKind | undefined): KnownDevice {
  return { device, kit: kits.find(({ type }) => type === device?.name) };
}
