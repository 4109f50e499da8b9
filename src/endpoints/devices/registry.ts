/**
 * Every device type that the package knows, one line each. A type is added by its folder and a line
 * here.
 */
import { plan9Kind } from "./9p/kind.ts";
import { balloonKind } from "./balloon/kind.ts";
import { blockKind } from "./block/kind.ts";
import { bluetoothKind } from "./bluetooth/kind.ts";
import { canKind } from "./can/kind.ts";
import { consoleKind } from "./console/kind.ts";
import { cryptoKind } from "./crypto/kind.ts";
import { fsKind } from "./fs/kind.ts";
import { gpioKind } from "./gpio/kind.ts";
import { gpuKind } from "./gpu/kind.ts";
import { i2cKind } from "./i2c/kind.ts";
import { inputKind } from "./input/kind.ts";
import { iommuKind } from "./iommu/kind.ts";
import { mediaKind } from "./media/kind.ts";
import { memKind } from "./mem/kind.ts";
import { netKind } from "./net/kind.ts";
import { pmemKind } from "./pmem/kind.ts";
import { rngKind } from "./rng/kind.ts";
import { rpmbKind } from "./rpmb/kind.ts";
import { rtcKind } from "./rtc/kind.ts";
import { scmiKind } from "./scmi/kind.ts";
import { scsiKind } from "./scsi/kind.ts";
import { soundKind } from "./sound/kind.ts";
import { spiKind } from "./spi/kind.ts";
import { vsockKind } from "./vsock/kind.ts";
import type { DeviceKind } from "./kind.ts";

/** The device types, in the order of their ids. */
export const deviceKinds: readonly DeviceKind[] = [
  netKind,
  blockKind,
  consoleKind,
  rngKind,
  balloonKind,
  scsiKind,
  plan9Kind,
  gpuKind,
  rtcKind,
  inputKind,
  vsockKind,
  cryptoKind,
  iommuKind,
  memKind,
  soundKind,
  fsKind,
  pmemKind,
  rpmbKind,
  scmiKind,
  i2cKind,
  canKind,
  bluetoothKind,
  gpioKind,
  spiKind,
  mediaKind,
];

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

/** Says that a name is not that of a device type, and which are. */
export function unknownDevice(name: string): string {
  const names = deviceKinds.map((kind) => kind.name).join(", ");
  return `"${name}" is not a device type; use one of ${names}`;
}
