import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, accessSync, constants, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { EnvironmentError } from "../../../core/base/index.ts";
import { installText, type Packages } from "../process/distribution.ts";
import { requireProgram } from "../process/programs.ts";

/** A Linux kernel of this machine that a guest can boot. */
export interface GuestKernel {
  /** E.g. `6.1.0-44-cloud-amd64`. */
  readonly version: string;
  readonly imagePath: string;
  /** The folder with `modules.dep` and the modules. */
  readonly modulesDirectory: string;
}

export interface KernelModule {
  /** Like `insmod` names it, e.g. `virtio_blk`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Ubuntu's is linux-image-virtual. */
export const guestKernelPackages: Packages = {
  debian: "linux-image-cloud-amd64",
  fedora: "kernel-core",
  centos: "kernel-core",
};

/**
 * The newest installed kernel with its modules; Debian's cloud kernel is preferred, because it is
 * small and boots fast.
 *
 * @throws {EnvironmentError} none is installed, or its image cannot be read (Ubuntu keeps it from
 *   ordinary users)
 */
export function findGuestKernel(
  bootDirectory = "/boot",
  modulesRoot = "/lib/modules",
): GuestKernel {
  const names = existsSync(bootDirectory) ? readdirSync(bootDirectory) : [];
  const version = newestVersion(
    names
      .filter((name) => name.startsWith("vmlinuz-"))
      .map((name) => name.slice("vmlinuz-".length))
      .filter((candidate) => existsSync(join(modulesRoot, candidate, "modules.dep"))),
  );
  if (version === undefined) {
    throw new EnvironmentError(
      `no kernel for a guest in ${bootDirectory}; to install one:\n${installText(guestKernelPackages)}`,
    );
  }
  const imagePath = join(bootDirectory, `vmlinuz-${version}`);
  try {
    accessSync(imagePath, constants.R_OK);
  } catch (cause) {
    throw new EnvironmentError(`${imagePath} cannot be read; run: chmod a+r ${imagePath}`, {
      cause,
    });
  }
  return { version, imagePath, modulesDirectory: join(modulesRoot, version) };
}

/** The kernel version to boot: cloud kernels first, then the higher numbers. */
export function newestVersion(versions: readonly string[]): string | undefined {
  const numbers = new Intl.Collator("en", { numeric: true });
  return [...versions].sort((a, b) => {
    return Number(b.includes("cloud")) - Number(a.includes("cloud")) || numbers.compare(b, a);
  })[0];
}

/**
 * The files to insert, in an order in which every module comes after those it needs.
 *
 * @param modulesDep content of `modules.dep`: `path: path path …`
 * @param names module names; unknown ones are left out, since they may be built into the kernel
 * @returns paths relative to the modules directory
 */
export function moduleLoadOrder(modulesDep: string, names: readonly string[]): string[] {
  const needs = new Map<string, string[]>();
  const byName = new Map<string, string>();
  for (const line of modulesDep.split("\n")) {
    const [path, rest] = line.split(":", 2);
    if (path === undefined || rest === undefined) continue;
    needs.set(path, rest.split(" ").filter(Boolean));
    byName.set(moduleName(path), path);
  }
  const order = new Set<string>();
  const visiting = new Set<string>();
  const visit = (path: string): void => {
    if (visiting.has(path)) return;
    visiting.add(path);
    for (const needed of needs.get(path) ?? []) visit(needed);
    order.add(path);
  };
  for (const name of names) {
    const path = byName.get(moduleName(name));
    if (path !== undefined) visit(path);
  }
  return [...order];
}

/** Reads (and unpacks, where the distribution compresses them) the modules in load order. */
export function readModules(kernel: GuestKernel, names: readonly string[]): KernelModule[] {
  const modulesDep = readFileSync(join(kernel.modulesDirectory, "modules.dep"), "utf8");
  return moduleLoadOrder(modulesDep, names).map((path) => ({
    name: moduleName(path),
    bytes: readModule(join(kernel.modulesDirectory, path)),
  }));
}

function moduleName(path: string): string {
  // File names may have dashes where the kernel says underscores.
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");
}

function readModule(path: string): Uint8Array {
  const unpacker = path.endsWith(".xz") ? "xz" : path.endsWith(".zst") ? "zstd" : undefined;
  if (unpacker === undefined) return readFileSync(path);
  const run = spawnSync(requireProgram(unpacker), ["-dc", path], { maxBuffer: 64 << 20 });
  if (run.status !== 0) {
    throw new EnvironmentError(
      `${unpacker} cannot unpack ${path}: ${run.stderr.toString().trim()}`,
    );
  }
  return run.stdout;
}
