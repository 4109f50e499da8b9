/** The virtio device status that SET_STATUS and GET_STATUS carry (VIRTIO 2.1). */

/** Bits of the status; writing zero resets the device. */
export const DeviceStatus = {
  Acknowledge: 1n,
  Driver: 2n,
  DriverOk: 4n,
  FeaturesOk: 8n,
  NeedsReset: 64n,
  Failed: 128n,
} as const;

const names: readonly (readonly [mask: bigint, name: string])[] = [
  [DeviceStatus.Acknowledge, "ACKNOWLEDGE"],
  [DeviceStatus.Driver, "DRIVER"],
  [DeviceStatus.DriverOk, "DRIVER_OK"],
  [DeviceStatus.FeaturesOk, "FEATURES_OK"],
  [DeviceStatus.NeedsReset, "DEVICE_NEEDS_RESET"],
  [DeviceStatus.Failed, "FAILED"],
];

/** Returns the names of the set bits; bits without a name are joined in one hexadecimal number. */
export function statusNames(status: bigint): string[] {
  const known = names.filter(([mask]) => (status & mask) !== 0n);
  const rest = known.reduce((bits, [mask]) => bits & ~mask, status);
  const list = known.map(([, name]) => name);
  return rest === 0n ? list : [...list, `0x${rest.toString(16)}`];
}
