import type { WaitOptions } from "../../../core/base/index.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { type Accelerator, bareMachineArguments, escapeComma } from "./qemu-options.ts";
import { startListening } from "../process/ready.ts";

export interface QemuNetOptions {
  readonly socketPath: string;
  /** Pairs of one receive and one transmit queue; default 1. */
  readonly queuePairs?: number | undefined;
  /** Default 64. */
  readonly memoryMiB?: number | undefined;
  /** Default `tcg`. */
  readonly accelerator?: Accelerator | undefined;
  /** Boots from the network by the card's boot ROM (Debian's ipxe-qemu). Default false: no ROM. */
  readonly bootRom?: boolean | undefined;
  /** Further properties of `virtio-net-pci`, e.g. `packed=on`. */
  readonly netOptions?: string | undefined;
  readonly extraArguments?: readonly string[] | undefined;
}

/** Command line of a diskless QEMU whose network card is vhost-user, with QEMU listening. */
export function qemuNetArguments(options: QemuNetOptions): string[] {
  const pairs = options.queuePairs ?? 1;
  const device = [
    "virtio-net-pci",
    "netdev=net0",
    // Without it QEMU insists on a ROM file, which is another package.
    options.bootRom ? "bootindex=0" : "romfile=",
    // One vector a queue, one for configuration changes, one for the control queue.
    ...(pairs > 1 ? ["mq=on", `vectors=${2 * pairs + 2}`] : []),
    ...(options.netOptions ? [options.netOptions] : []),
  ];
  return [
    ...bareMachineArguments(options.memoryMiB ?? 64, 1, options.accelerator),
    "-chardev",
    `socket,id=char0,path=${escapeComma(options.socketPath)},server=on,wait=off`,
    "-netdev",
    `vhost-user,id=net0,chardev=char0,queues=${pairs}`,
    "-device",
    device.join(","),
    ...(options.extraArguments ?? []),
  ];
}

/**
 * Starts QEMU as a **front-end that listens**, and resolves when it listens. The program that connects
 * must answer as a back-end. Before that QEMU waits inside its start-up: there is no QMP greeting, and
 * stopping it leaves the socket's file behind.
 *
 * @throws {EnvironmentError} program missing; {@link PeerClosedError} it refused to start
 */
export async function startQemuNet(options: QemuNetOptions & WaitOptions): Promise<ManagedProcess> {
  return await startListening(
    options.socketPath,
    () => ManagedProcess.spawn("qemu-system-x86_64", qemuNetArguments(options)),
    options,
  );
}
