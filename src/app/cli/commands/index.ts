import type { AddCommand } from "../devices/device-commands.ts";

/** The commands in the order of the help. Each is loaded when it is named, or for the help. */
export const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ["demo", async () => (await import("../devices/own-command.ts")).ownCommand("demo")],
  ["probe", async () => (await import("./probe/command.ts")).addProbeCommand],
  ["trace", async () => (await import("./trace/command.ts")).addTraceCommand],
  ["capture", async () => (await import("./capture/command.ts")).addCaptureCommand],
  ["replay", async () => (await import("./replay/command.ts")).addReplayCommand],
  ["inspect", async () => (await import("./inspect/command.ts")).addInspectCommand],
  ["wireshark", async () => (await import("./wireshark/command.ts")).addWiresharkCommand],
  ["io", async () => (await import("./io/command.ts")).addIoCommand],
  ["serve", async () => (await import("./serve/command.ts")).addServeCommand],
  ["backend", async () => (await import("./backend/command.ts")).addBackendCommand],
  ["migrate", async () => (await import("../devices/own-command.ts")).ownCommand("migrate")],
  ["bench", async () => (await import("./bench/command.ts")).addBenchCommand],
  ["stress", async () => (await import("../devices/own-command.ts")).ownCommand("stress")],
  ["test", async () => (await import("./test/command.ts")).addTestCommand],
  ["conform", async () => (await import("./conform/command.ts")).addConformCommand],
  ["matrix", async () => (await import("./matrix/command.ts")).addMatrixCommand],
  ["qemu", async () => (await import("./qemu/command.ts")).addQemuCommand],
  ["check", async () => (await import("./check/command.ts")).addCheckCommand],
  ["clean", async () => (await import("./clean/command.ts")).addCleanCommand],
]);
