/**
 * The real programs that the tests of programs run against: says which are missing, and installs them
 * where that is ours to do (root on Debian or Ubuntu).
 *
 *     node scripts/install-peers.mjs           install what is missing, or say what to run
 *     node scripts/install-peers.mjs --check   only say it; exit code 4 when something is missing
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const programs = [
  "qemu-system-x86_64",
  "qemu-storage-daemon",
  "virtiofsd",
  "vhost-user-gpu",
  "dpdk-testpmd",
  "linux.uml",
  "busybox",
  "systemd-socket-activate",
  "tshark",
];

/** Debian packages that are missing; needs the build, which knows where programs are. */
export async function missingPackages() {
  const { findGuestKernel, findProgram, knownPrograms } =
    await import("../dist/src/lab/programs/index.js");
  const missing = programs
    .filter((name) => findProgram(name) === undefined)
    .map((name) => packageOf(name, knownPrograms[name].debianPackage));
  const { findChromium } = await import("../dist/test/programs/support/chromium.js");
  if (findChromium() === undefined) missing.push(chromiumPackage());
  try {
    findGuestKernel();
  } catch {
    missing.push(kernelPackage());
  }
  return [...new Set(missing)];
}

/** The command a person would type. */
export function installCommand(packages) {
  return `apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/** Installs `packages`; resolves to why it did not, or to undefined when it did. */
export async function install(packages) {
  if (process.getuid?.() !== 0) return "that needs root";
  if (!existsSync("/usr/bin/apt-get")) return "there is no apt-get on this system";
  if (process.arch !== "x64") return "the guests of these tests are x86-64 machines";
  // A new kernel would become the one that this machine boots next: not ours to decide.
  const bootsItself = existsSync("/boot/grub") || existsSync("/boot/loader");
  if (bootsItself && process.env.CI !== "true" && packages.includes(kernelPackage())) {
    return "it adds a kernel to this machine's boot menu";
  }
  const apt = async (...args) => {
    const child = spawn(
      "apt-get",
      ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", ...args],
      {
        stdio: ["ignore", "inherit", "inherit"],
        env: {
          ...process.env,
          DEBIAN_FRONTEND: "noninteractive",
          // Where nothing is booted from /boot, the kernel package need not build an initrd.
          ...(bootsItself ? {} : { INITRD: "No" }),
        },
      },
    );
    const [status] = await once(child, "exit");
    return status;
  };
  // An outdated list may still name packages that can be had: the second command decides.
  await apt("update");
  const status = await apt("install", "-y", "--no-install-recommends", ...packages);
  return status === 0 ? undefined : `apt-get install ended with code ${status}`;
}

function packageOf(name, known) {
  // Debian 13 has virtiofsd in a package of its own.
  return name === "virtiofsd" && !distribution().includes("bookworm") ? "virtiofsd" : known;
}

/** Debian has a small package without windows; Ubuntu has the browser only. */
function chromiumPackage() {
  return distribution().includes("ID=debian") ? "chromium-headless-shell" : "chromium";
}

function kernelPackage() {
  return distribution().includes("ID=ubuntu") ? "linux-image-virtual" : "linux-image-cloud-amd64";
}

function distribution() {
  return existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const packages = await missingPackages();
  if (packages.length > 0) {
    const refused = process.argv.includes("--check") ? "not asked to" : await install(packages);
    const missing = refused === undefined ? await missingPackages() : packages;
    if (missing.length > 0) {
      process.stderr.write(
        `missing peers (${refused ?? "installed, but not found"}): ${installCommand(missing)}\n`,
      );
      process.exitCode = 4;
    }
  }
}
