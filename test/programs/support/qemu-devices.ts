import type { DeviceKind } from "../../../src/endpoints/devices/kind.ts";
import { findDeviceKind } from "../../../src/endpoints/devices/registry.ts";
import type { Kit } from "../../../src/lab/conformance/index.ts";
import { knownDevice } from "../../../src/lab/conformance/index.ts";
import { idleKit } from "./idle-kit.ts";

/**
 * Options with which QEMU is the front-end of a device, by the name of its type. Its front-ends of
 * gpu and input devices need KVM.
 */
const OPTIONS = {
  fs: "-device vhost-user-fs-pci,chardev=char,tag=share",
  gpio: "-device vhost-user-gpio-pci,chardev=char",
  i2c: "-device vhost-user-i2c-pci,chardev=char",
  rng: "-device vhost-user-rng-pci,chardev=char",
  scsi: "-device vhost-user-scsi-pci,chardev=char",
  snd: "-device vhost-user-snd-pci,chardev=char",
  vsock: "-device vhost-user-vsock-pci,chardev=char",
} as const;

export type QemuDevice = keyof typeof OPTIONS;

/** A device of which QEMU is the front-end, and the kit that plays it. */
export function qemuDevice(name: QemuDevice): {
  readonly device: DeviceKind;
  readonly options: string;
  readonly kit: Kit;
} {
  const device = findDeviceKind(name);
  if (device === undefined) throw new TypeError(`${name} is not a device type`);
  return { device, options: OPTIONS[name], kit: knownDevice(device).kit ?? idleKit(device) };
}

/** Checks that need no ring: without a driver for its device QEMU starts none. */
export const WITHOUT_RINGS = ["fe/1", "fe/22"];
