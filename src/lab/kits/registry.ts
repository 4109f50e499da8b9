/** The kit of every device type that the suite can judge, one line each. */
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import type { KnownDevice } from "../conformance/kit/back-end/facts.ts";
import type { Kit } from "../conformance/kit/kit.ts";
import { blockKit } from "./block/kit.ts";
import { fsKit } from "./fs/kit.ts";
import { netKit } from "./net/kit.ts";
import { rngKit } from "./rng/kit.ts";

export const kits: readonly Kit[] = [blockKit, netKit, fsKit, rngKit];

/** A device type with its kit, where there is one. */
export interface DeviceWithKit extends KnownDevice {
  readonly kit: Kit | undefined;
}

/** Returns a device type with its kit. */
export function knownDevice(device: DeviceKind | undefined): DeviceWithKit {
  return { device, kit: kits.find(({ kind }) => kind.name === device?.name) };
}
