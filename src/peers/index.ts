/**
 * peers: starting the real programs on the other side (QEMU, qemu-storage-daemon, virtiofsd, DPDK's
 * testpmd, a Linux guest, User Mode Linux, a PC's firmware), finding out when they are ready, and stopping them.
 * Whatever is started here never outlives this process, but for the servers of `qemu start`: those
 * stand in the ledger, the only proof by which a later command may stop them and remove their files.
 * Only groups, cli and tests import this folder.
 */
export { bootGuest, type BlockGuestOptions } from "./block-guest.ts";
export { startBuiltIn, type BuiltInOptions } from "./built-in.ts";
export { bootedExitCode, bootSector } from "./boot-sector.ts";
export { clean, type CleanOptions, type CleanReport } from "./clean.ts";
export { distributionTitles, type InstallLine } from "./distribution.ts";
export { bootFirmware, type FirmwareOptions, type FirmwareResult } from "./firmware.ts";
export { bootLinux, type GuestResult, type LinuxGuestOptions } from "./guest.ts";
export { findGuestKernel, type GuestKernel } from "./kernel.ts";
export { judgeKvm, type KvmVerdict } from "./kvm.ts";
export { isOurs, Ledger, type DamagedRecord, type LedgerRecord } from "./ledger.ts";
export { lastLogLines } from "./log-file.ts";
export { ManagedProcess, type ProcessExit, type ProcessOptions } from "./managed-process.ts";
export { makeRecordedFolder, type RecordedFolder } from "./recorded-folder.ts";
export { ownPath, type OwnedPath, removeOwnedPath } from "./owned-path.ts";
export { identifyProcess, identifySelf, type ProcessIdentity } from "./process-identity.ts";
export { findProgram, knownPrograms, requireProgram, type ProgramName } from "./programs.ts";
export { qemuNetArguments, startQemuNet, type QemuNetOptions } from "./qemu-net.ts";
export { waitUntilListening } from "./ready.ts";
export {
  findServer,
  otherServers,
  restartServer,
  statusOfServer,
  stopServer,
  strayPidFile,
  type StopResult,
} from "./server.ts";
export { serverDefaults, serverKinds, splitWords, type ServerOptions } from "./server-options.ts";
export type { StartIo } from "./server-preflight.ts";
export { startServer, type StartResult } from "./server-start.ts";
export type { ServerStatus } from "./server-record.ts";
export {
  startStorageDaemon,
  storageDaemonArguments,
  type StorageDaemonOptions,
} from "./storage-daemon.ts";
export { survey, type Finding } from "./survey.ts";
export { Testpmd, testpmdArguments, type TestpmdOptions } from "./testpmd.ts";
export { bootUml, findUmlKernel, umlArguments, type UmlOptions } from "./uml.ts";
export { startVirtiofsd, virtiofsdArguments, type VirtiofsdOptions } from "./virtiofsd.ts";
