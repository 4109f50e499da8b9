import type { WaitOptions } from "../../../core/base/index.ts";
import { bootLinux, type GuestResult, type LinuxGuestOptions } from "./guest.ts";
import { escapeComma } from "../known/qemu-options.ts";

export interface BlockGuestOptions
  extends WaitOptions, Pick<LinuxGuestOptions, "script" | "memoryMiB" | "cpus" | "kernel"> {
  /** The socket path of a vhost-user-blk back-end. */
  readonly socketPath: string;
  /** Further properties of `vhost-user-blk-pci`, e.g. `num-queues=1,packed=on`. */
  readonly blkOptions?: string | undefined;
}

/**
 * Boots Linux with the back-end's disk as `/dev/vda`, runs the script, powers off.
 *
 * @throws {EnvironmentError | PeerClosedError | TimeoutError}; `signal.reason`
 */
export async function bootGuest(options: BlockGuestOptions): Promise<GuestResult> {
  return await bootLinux({
    ...options,
    modules: ["virtio_pci", "virtio_blk"],
    deviceArguments: blockDeviceArguments(options.socketPath, options.blkOptions),
  });
}

/** The QEMU arguments that attach a vhost-user-blk back-end as a PCI disk. */
export function blockDeviceArguments(socketPath: string, blkOptions = ""): string[] {
  const properties = blkOptions === "" ? "" : `,${blkOptions}`;
  return [
    "-chardev",
    `socket,id=disk0,path=${escapeComma(socketPath)}`,
    "-device",
    `vhost-user-blk-pci,chardev=disk0${properties}`,
  ];
}
