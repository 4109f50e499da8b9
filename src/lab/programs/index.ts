/**
 * programs: starts the real programs on the other side (QEMU, qemu-storage-daemon, virtiofsd, DPDK's
 * testpmd, a Linux guest, User Mode Linux, a PC's firmware), finds out when they are ready, and stops them.
 * No program outlives this process, except the servers of `qemu start`: those
 * are in the ledger, the only proof by which a later command may stop them and remove their files.
 *
 * - `process/`: one program, from its start to its end, and what is known of a process
 * - `known/`: the programs themselves and their command lines
 * - `guest/`: guests: Linux on QEMU, a PC's firmware, User Mode Linux
 * - `server/`: a program that outlives the command that started it (`qemu start`)
 * - `ledger/`: what we started and made, and removing what is left of it
 * - `machine/`: what this machine has: KVM, programs, room
 */
export { blockDeviceArguments, bootGuest, type BlockGuestOptions } from "./guest/block-guest.ts";
export {
  MigratableGuest,
  type MigratableGuestOptions,
  type MigrationParameters,
  type MigrationState,
} from "./guest/migratable-guest.ts";
export { Qmp } from "./known/qmp.ts";
export { startBuiltIn, type BuiltInOptions } from "./known/built-in.ts";
export { bootedExitCode, bootSector } from "./guest/boot-sector.ts";
export { clean, type CleanOptions, type CleanReport } from "./ledger/clean.ts";
export { distributionTitles, type InstallLine } from "./process/distribution.ts";
export { bootFirmware, type FirmwareOptions, type FirmwareResult } from "./guest/firmware.ts";
export { bootLinux, type GuestResult, type LinuxGuestOptions } from "./guest/guest.ts";
export { findGuestKernel, type GuestKernel } from "./guest/kernel.ts";
export { judgeKvm, type KvmVerdict } from "./machine/kvm.ts";
export { isOurs, Ledger, type DamagedRecord, type LedgerRecord } from "./ledger/ledger.ts";
export { isOurLog, lastLogLines } from "./server/log-file.ts";
export {
  ManagedProcess,
  type ProcessExit,
  type ProcessOptions,
} from "./process/managed-process.ts";
export { makeRecordedFolder, type RecordedFolder } from "./ledger/recorded-folder.ts";
export { checkOwner, currentOwner } from "./ledger/owner.ts";
export { ownPath, type OwnedPath, removeOwnedPath } from "./ledger/owned-path.ts";
export { identifyProcess, identifySelf, type ProcessIdentity } from "./process/process-identity.ts";
export {
  findProgram,
  knownPrograms,
  requireProgram,
  resolveProgram,
  type ProgramName,
} from "./process/programs.ts";
export { qemuNetArguments, startQemuNet, type QemuNetOptions } from "./known/qemu-net.ts";
export { startListening, waitUntilListening } from "./process/ready.ts";
export {
  findServer,
  otherServers,
  restartServer,
  statusOfServer,
  stopServer,
  strayPidFile,
  type StopResult,
} from "./server/server.ts";
export {
  serverDefaults,
  serverKinds,
  splitWords,
  type ServerOptions,
} from "./server/server-options.ts";
export type { StartIo } from "./server/server-preflight.ts";
export { startServer, type StartResult } from "./server/server-start.ts";
export { serverDetails, type ServerStatus } from "./server/server-record.ts";
export {
  startStorageDaemon,
  storageDaemonArguments,
  type StorageDaemonOptions,
} from "./known/storage-daemon.ts";
export { survey, type Finding } from "./machine/survey.ts";
export { wordsInTree } from "./process/tree.ts";
export { Testpmd, testpmdArguments, type TestpmdOptions } from "./known/testpmd.ts";
export {
  bootUml,
  findUmlKernel,
  ownProcessNamespace,
  umlArguments,
  type UmlOptions,
} from "./guest/uml.ts";
export { startVirtiofsd, virtiofsdArguments, type VirtiofsdOptions } from "./known/virtiofsd.ts";
