import { existsSync } from "node:fs";
import { join } from "node:path";
import { EnvironmentError } from "../../../src/core/base/index.ts";
import {
  findGuestKernel,
  requireProgram,
  type ProgramName,
} from "../../../src/lab/programs/index.ts";
import { findChromium } from "./chromium.ts";

/**
 * For a test's `skip`: false when every program is there, else the reason. With `CI=true` a missing
 * program throws instead: there a skip would hide that nothing was tested.
 */
export function needsProgram(...names: readonly ProgramName[]): string | false {
  return needs(() => names.forEach((name) => requireProgram(name)));
}

/** As {@link needsProgram}, for everything that booting a Linux guest takes. */
export function needsGuest(...names: readonly ProgramName[]): string | false {
  return needs(() => {
    for (const name of ["qemu-system-x86_64", "busybox", ...names] as const) requireProgram(name);
    findGuestKernel();
  });
}

/** As {@link needsProgram}, for a browser. */
export function needsChromium(): string | false {
  return needs(() => {
    if (findChromium() !== undefined) return;
    throw new EnvironmentError(
      "no Chromium was found: install the Debian package chromium-headless-shell",
    );
  });
}

const bootRoms = ["/usr/lib/ipxe/qemu", "/usr/share/qemu", "/usr/share/ipxe/qemu"];

/** As {@link needsProgram}, for QEMU with the boot ROM of its network card. */
export function needsBootRom(): string | false {
  return needs(() => {
    requireProgram("qemu-system-x86_64");
    if (bootRoms.some((folder) => existsSync(join(folder, "efi-virtio.rom")))) return;
    throw new EnvironmentError(
      "the boot ROM of the card was not found: install the Debian package ipxe-qemu",
    );
  });
}

/** As {@link needsProgram}, for what only root may do. */
export function needsRoot(): string | false {
  return needs(() => {
    if (process.getuid?.() !== 0) throw new EnvironmentError("this test needs root");
  });
}

function needs(look: () => void): string | false {
  try {
    look();
    return false;
  } catch (error) {
    if (!(error instanceof EnvironmentError) || process.env["CI"] === "true") throw error;
    return error.message;
  }
}
