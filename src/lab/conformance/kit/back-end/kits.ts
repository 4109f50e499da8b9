import type { DeviceName } from "../../../../core/protocol/index.ts";
import { blockKit } from "./block.ts";
import { fsKit } from "./fs.ts";
import type { DeviceKit } from "./kit.ts";
import { netKit } from "./net.ts";

const kits: readonly DeviceKit[] = [blockKit, netKit, fsKit];

/** Undefined: the suite has no request for this type. */
export function kitOf(type: DeviceName | undefined): DeviceKit | undefined {
  return kits.find((kit) => kit.type === type);
}
