import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { EnvironmentError } from "../base/index.ts";

/** Where a program stands besides `PATH`, and which Debian package brings it. */
interface KnownProgram {
  readonly debianPackage: string;
  readonly places?: readonly string[];
}

/** The foreign programs this package can start, by the name they are asked for. */
export const knownPrograms = {
  "qemu-system-x86_64": { debianPackage: "qemu-system-x86" },
  "qemu-storage-daemon": { debianPackage: "qemu-system-common" },
  "qemu-img": { debianPackage: "qemu-utils" },
  // Debian 12 has the C program of QEMU 7.2; Debian 13 and Fedora have its successor in Rust.
  virtiofsd: {
    debianPackage: "qemu-system-common",
    places: ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"],
  },
  "dpdk-testpmd": { debianPackage: "dpdk-dev" },
  // Elsewhere it is built by hand and called `linux`, as many other things are.
  "linux.uml": { debianPackage: "user-mode-linux" },
  busybox: { debianPackage: "busybox-static" },
  xz: { debianPackage: "xz-utils" },
  zstd: { debianPackage: "zstd" },
} as const satisfies Record<string, KnownProgram>;

export type ProgramName = keyof typeof knownPrograms;

// Daemons live in sbin, which the PATH of an ordinary user lacks.
const systemDirectories = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/usr/bin",
  "/bin",
];

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
  if (!isKnown(program)) return `the program ${program} was not found or cannot be executed`;
  const { debianPackage } = knownPrograms[program];
  return `the program ${program} was not found: install the Debian package ${debianPackage} (apt-get install ${debianPackage})`;
}

function isKnown(name: string): name is ProgramName {
  return Object.hasOwn(knownPrograms, name);
}

function pathCandidates(name: string): string[] {
  const fromPath = (process.env["PATH"] ?? "")
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
