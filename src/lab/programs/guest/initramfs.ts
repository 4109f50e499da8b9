import { readFileSync } from "node:fs";
import { cpioArchive } from "./cpio.ts";
import { findGuestKernel, readModules, type GuestKernel } from "./kernel.ts";
import { requireProgram } from "../process/programs.ts";

/** The lines that the second serial port prints around the output of the script. */
export const guestMarkers = { begin: "=== script begins ===", end: "=== script ended: " } as const;

// The script has the second serial port for itself: the kernel's messages on the first one cannot
// get between its lines.
const init = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /mnt
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=dumb
for module in $(cat /modules/order); do insmod /modules/$module.ko || echo "insmod $module failed"; done
exec 3>/dev/ttyS1
stty raw -echo </dev/ttyS1
echo "${guestMarkers.begin}" >&3
sh /script </dev/null >&3 2>&1
echo "${guestMarkers.end}$? ===" >&3
# Changing the port's settings waits until the last line has left it.
stty raw -echo </dev/ttyS1
sync
poweroff -f
`;

export interface InitramfsOptions {
  /** Run by a POSIX shell with all of busybox; no trailing NUL, any output. */
  readonly script: string;
  /** Kernel modules to load, e.g. `virtio_pci`, `virtio_blk`. */
  readonly modules: readonly string[];
  readonly kernel?: GuestKernel | undefined;
}

/**
 * An initramfs that loads the modules, runs the script and powers off.
 *
 * @throws {EnvironmentError} busybox or the kernel is not installed
 */
export function buildInitramfs(options: InitramfsOptions): Uint8Array {
  const modules = readModules(options.kernel ?? findGuestKernel(), options.modules);
  const text = (content: string): Uint8Array => Buffer.from(content);
  return cpioArchive([
    { path: "bin", mode: 0o040755 },
    { path: "dev", mode: 0o040755 },
    { path: "modules", mode: 0o040755 },
    // Before /dev is mounted the kernel opens this one for init's own messages.
    { path: "dev/console", mode: 0o020600, device: [5, 1] },
    { path: "bin/busybox", mode: 0o100755, bytes: readFileSync(requireProgram("busybox")) },
    ...modules.map(({ name, bytes }) => ({ path: `modules/${name}.ko`, mode: 0o100644, bytes })),
    {
      path: "modules/order",
      mode: 0o100644,
      bytes: text(modules.map(({ name }) => name).join("\n")),
    },
    { path: "script", mode: 0o100644, bytes: text(options.script) },
    { path: "init", mode: 0o100755, bytes: text(init) },
  ]);
}
