/**
 * Every device type that the package knows, one line each. A type is added by its folder and a line
 * here.
 */
import { blockKind } from "./block/kind.ts";
import { cryptoKind } from "./crypto/kind.ts";
import { fsKind } from "./fs/kind.ts";
import type { DeviceKind } from "./kind.ts";
import { netKind } from "./net/kind.ts";

export const deviceKinds: readonly DeviceKind[] = [netKind, blockKind, cryptoKind, fsKind];

const byName: ReadonlyMap<string, DeviceKind> = new Map(
  deviceKinds.flatMap((kind) => [kind.name, ...(kind.aliases ?? [])].map((name) => [name, kind])),
);

/**
 * Returns the device type of a name. Understands further names such as `snd`, upper case, and the
 * prefixes `virtio-` and `vhost-user-`.
 */
export function findDeviceKind(name: string): DeviceKind | undefined {
  return byName.get(name.toLowerCase().replace(/^(vhost-user-|virtio-)/, ""));
}
