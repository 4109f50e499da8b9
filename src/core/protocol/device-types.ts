/**
 * Virtio device types (VIRTIO 5). vhost-user never transmits the type: both ends know it from
 * elsewhere, and feature bits 0-23, 41, 42 and 50-63 mean nothing without it.
 */

/** Virtio device id by the name used in this package and in back-end programs' `type`. */
export const DeviceId = {
  net: 1,
  block: 2,
  console: 3,
  rng: 4,
  balloon: 5,
  rpmsg: 7,
  scsi: 8,
  "9p": 9,
  "rproc-serial": 11,
  caif: 12,
  gpu: 16,
  rtc: 17,
  input: 18,
  vsock: 19,
  crypto: 20,
  iommu: 23,
  mem: 24,
  sound: 25,
  fs: 26,
  pmem: 27,
  rpmb: 28,
  scmi: 32,
  i2c: 34,
  watchdog: 35,
  can: 36,
  bluetooth: 40,
  gpio: 41,
  rdma: 42,
  spi: 45,
  media: 48,
} as const;

export type DeviceName = keyof typeof DeviceId;

/** Other words for the same types, as QEMU and the specifications use them. */
const aliases: ReadonlyMap<string, DeviceName> = new Map([
  ["blk", "block"],
  ["snd", "sound"],
  ["entropy", "rng"],
  ["network", "net"],
  ["filesystem", "fs"],
  ["virtiofs", "fs"],
  ["socket", "vsock"],
]);

export const deviceNames = Object.keys(DeviceId) as DeviceName[];

const nameById: ReadonlyMap<number, DeviceName> = new Map(
  deviceNames.map((name) => [DeviceId[name], name]),
);

/** The name of a virtio device id, if this package knows it. */
export function deviceName(id: number): DeviceName | undefined {
  return nameById.get(id);
}

/** Understands the names above, their common aliases (`blk`, `snd`) and a `virtio-` prefix. */
export function parseDeviceName(text: string): DeviceName | undefined {
  const word = text.toLowerCase().replace(/^(vhost-user-|virtio-)/, "");
  return Object.hasOwn(DeviceId, word) ? (word as DeviceName) : aliases.get(word);
}
