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

/** A machine without anything that was not asked for, software-emulated: runs where no KVM is. */
export function bareMachineArguments(memoryMiB: number, cpus: number): string[] {
  return [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-machine",
    "q35,memory-backend=memory0",
    "-accel",
    "tcg",
    "-cpu",
    "max",
    "-smp",
    `${cpus}`,
    ...sharedMemoryArguments(memoryMiB),
  ];
}
