import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { EnvironmentError } from "../../../core/base/index.ts";
import { installText, type Packages } from "./distribution.ts";

/** The paths of a program besides `PATH`, and the packages that contain it. */
interface KnownProgram {
  readonly debianPackage: string;
  /** dnf also takes the path of a file: right whichever package has it. */
  readonly fedoraPackage?: string;
  /** `epel:` in front: from that repository. */
  readonly centosPackage?: string;
  readonly places?: readonly string[];
}

/** The foreign programs this package can start, by the name they are asked for. */
export const knownPrograms = {
  "qemu-system-x86_64": {
    debianPackage: "qemu-system-x86",
    fedoraPackage: "qemu-system-x86-core",
    centosPackage: "qemu-kvm",
    // CentOS has it under this name only.
    places: ["/usr/libexec/qemu-kvm"],
  },
  "qemu-storage-daemon": {
    debianPackage: "qemu-system-common",
    fedoraPackage: "/usr/bin/qemu-storage-daemon",
    centosPackage: "/usr/bin/qemu-storage-daemon",
  },
  "qemu-img": {
    debianPackage: "qemu-utils",
    fedoraPackage: "qemu-img",
    centosPackage: "qemu-img",
  },
  // Debian 12 has the C program of QEMU 7.2; Debian 13 and Fedora have its successor in Rust.
  virtiofsd: {
    debianPackage: "qemu-system-common",
    fedoraPackage: "virtiofsd",
    centosPackage: "virtiofsd",
    places: ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"],
  },
  "vhost-user-gpu": {
    debianPackage: "qemu-system-gui",
    fedoraPackage: "/usr/libexec/vhost-user-gpu",
    centosPackage: "/usr/libexec/vhost-user-gpu",
    places: ["/usr/libexec/vhost-user-gpu", "/usr/lib/qemu/vhost-user-gpu"],
  },
  "dpdk-testpmd": {
    debianPackage: "dpdk-dev",
    fedoraPackage: "/usr/bin/dpdk-testpmd",
    centosPackage: "/usr/bin/dpdk-testpmd",
  },
  busybox: {
    debianPackage: "busybox-static",
    fedoraPackage: "busybox",
    centosPackage: "epel:busybox",
  },
  "linux.uml": { debianPackage: "user-mode-linux" },
  tshark: {
    debianPackage: "tshark",
    fedoraPackage: "wireshark-cli",
    centosPackage: "wireshark-cli",
  },
  "systemd-socket-activate": { debianPackage: "systemd", fedoraPackage: "systemd" },
  xz: { debianPackage: "xz-utils", fedoraPackage: "xz", centosPackage: "xz" },
  zstd: { debianPackage: "zstd", fedoraPackage: "zstd", centosPackage: "zstd" },
} as const satisfies Record<string, KnownProgram>;

export type ProgramName = keyof typeof knownPrograms;

// Daemons live in sbin, which the PATH of an ordinary user lacks.
const systemDirectories = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/** The search path of execvp(3) if `PATH` is unset. */
const pathWhenUnset = "/bin:/usr/bin";

/**
 * Absolute path of a program, or undefined. Looks in `PATH`, in the usual system directories and,
 * for the programs of {@link knownPrograms}, in the places where distributions hide them.
 */
export function findProgram(name: ProgramName): string | undefined {
  const known: KnownProgram = knownPrograms[name];
  return firstExecutable([...pathCandidates(name), ...(known.places ?? [])]);
}

/** Like {@link findProgram}; throws an {@link EnvironmentError} that says how to get the program. */
export function requireProgram(name: ProgramName): string {
  const found = findProgram(name);
  if (found === undefined) throw new EnvironmentError(missingProgramMessage(name));
  return found;
}

/** Absolute path of any program, given by name or by path; undefined when it cannot be executed. */
export function resolveProgram(program: string): string | undefined {
  if (isKnown(program)) return findProgram(program);
  return firstExecutable(program.includes("/") ? [program] : pathCandidates(program));
}

/** One sentence: the program is missing, and the command that brings it where that is known. */
export function missingProgramMessage(program: string): string {
  if (!isKnown(program))
    return `the program ${program} was not found or cannot be executed: install it, or correct its name or path`;
  return `${program} not found; to install it:\n${installText(packagesOf(program))}`;
}

/** Returns the packages that contain the program, by distribution. */
export function packagesOf(name: ProgramName): Packages {
  const known: KnownProgram = knownPrograms[name];
  return {
    debian: name === "virtiofsd" ? virtiofsdPackage() : known.debianPackage,
    fedora: known.fedoraPackage,
    centos: known.centosPackage,
  };
}

/** Debian 12 has it in a package with other programs of QEMU, later ones in its own. */
function virtiofsdPackage(): string {
  let release = "";
  try {
    release = readFileSync("/etc/os-release", "utf8");
  } catch {
    // Then the present is as likely as any.
  }
  return release.includes("bookworm") ? knownPrograms.virtiofsd.debianPackage : "virtiofsd";
}

function isKnown(name: string): name is ProgramName {
  return Object.hasOwn(knownPrograms, name);
}

function pathCandidates(name: string): string[] {
  const fromPath = (process.env["PATH"] ?? pathWhenUnset)
    .split(delimiter)
    .filter((entry) => isAbsolute(entry));
  return [...fromPath, ...systemDirectories].map((directory) => join(directory, name));
}

function firstExecutable(paths: readonly string[]): string | undefined {
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}
