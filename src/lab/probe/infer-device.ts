import { type DeviceName, parseDeviceName, ProtocolFeature } from "../../core/protocol/index.ts";

/** Device feature bits 0 to 23. */
const DEVICE_BITS = (1n << 24n) - 1n;
/** Bits that virtio-net has and no other device below 24 (MRG_RXBUF and up, MAC, TSO …). */
const NET_ONLY = 0xff_8000n;
/** Bits that virtio-blk defines. */
const BLOCK_BITS = 0x7e76n;
/** SEG_MAX, BLK_SIZE, FLUSH: some of them are in every block device's offer. */
const BLOCK_TYPICAL = 0x244n;

/** Programs that serve one type of device, by the beginning of their names. */
const PROGRAMS: readonly (readonly [prefix: string, device: DeviceName])[] = [
  ["virtiofsd", "fs"],
  ["passt", "net"],
  ["vhost-user-blk", "block"],
];

/**
 * vhost-user never transmits the device type; often the offer tells all the same.
 *
 * @param program name of the peer's program, where it is known
 */
export function inferDevice(
  virtio: bigint,
  protocol: bigint,
  program: string | undefined,
): DeviceName | null {
  const bits = virtio & DEVICE_BITS;
  const net = ProtocolFeature.Mtu | ProtocolFeature.Rarp;
  if ((protocol & net) !== 0n || (bits & NET_ONLY) !== 0n) return "net";
  const config = (protocol & ProtocolFeature.Config) !== 0n;
  if (config && (bits & ~BLOCK_BITS) === 0n && (bits & BLOCK_TYPICAL) !== 0n) return "block";
  return deviceOfProgram(program) ?? null;
}

function deviceOfProgram(program: string | undefined): DeviceName | undefined {
  if (program === undefined) return undefined;
  const known = PROGRAMS.find(([prefix]) => program.startsWith(prefix));
  if (known) return known[1];
  // rust-vmm's and QEMU's programs are called after their devices.
  const named = /^vhost-(?:device|user)-([a-z0-9]+)/.exec(program)?.[1];
  return named === undefined ? undefined : parseDeviceName(named);
}
