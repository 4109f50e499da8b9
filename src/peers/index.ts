/**
 * peers: starting the real programs on the other side (QEMU, qemu-storage-daemon, virtiofsd, DPDK's
 * testpmd, a Linux guest, User Mode Linux, a PC's firmware), finding out when they are ready, and stopping them.
 * Whatever is started here never outlives this process. Only cli and tests import this folder.
 */
export { bootGuest, type BlockGuestOptions } from "./block-guest.ts";
export { startBuiltIn, type BuiltInOptions } from "./built-in.ts";
export { bootedExitCode, bootSector } from "./boot-sector.ts";
export { bootFirmware, type FirmwareOptions, type FirmwareResult } from "./firmware.ts";
export { bootLinux, type GuestResult, type LinuxGuestOptions } from "./guest.ts";
export { findGuestKernel, type GuestKernel } from "./kernel.ts";
export { ManagedProcess, type ProcessExit, type ProcessOptions } from "./managed-process.ts";
export { findProgram, knownPrograms, requireProgram, type ProgramName } from "./programs.ts";
export { qemuNetArguments, startQemuNet, type QemuNetOptions } from "./qemu-net.ts";
export { waitUntilListening } from "./ready.ts";
export {
  startStorageDaemon,
  storageDaemonArguments,
  type StorageDaemonOptions,
} from "./storage-daemon.ts";
export { Testpmd, testpmdArguments, type TestpmdOptions } from "./testpmd.ts";
export { bootUml, findUmlKernel, umlArguments, type UmlOptions } from "./uml.ts";
export { startVirtiofsd, virtiofsdArguments, type VirtiofsdOptions } from "./virtiofsd.ts";
