/** A value inside one of QEMU's `key=value,key=value` options: commas are doubled. */
export function escapeComma(value: string): string {
  return value.replaceAll(",", ",,");
}

/** Guest memory that a vhost-user back-end can map: nothing works without `share=on`. */
export function sharedMemoryArguments(memoryMiB: number): string[] {
  return [
    "-m",
    `${memoryMiB}M`,
    "-object",
    `memory-backend-memfd,id=memory0,size=${memoryMiB}M,share=on`,
  ];
}

export type Accelerator = "kvm" | "tcg";

/** A machine without anything that was not asked for; software-emulated, it runs where no KVM is. */
export function bareMachineArguments(
  memoryMiB: number,
  cpus: number,
  accelerator: Accelerator = "tcg",
): string[] {
  return [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-machine",
    "q35,memory-backend=memory0",
    "-accel",
    accelerator,
    "-cpu",
    "max",
    "-smp",
    `${cpus}`,
    ...sharedMemoryArguments(memoryMiB),
  ];
}
