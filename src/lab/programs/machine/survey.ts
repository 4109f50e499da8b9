import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { EnvironmentError } from "../../../core/base/index.ts";
import { addon, addonBuildCommand } from "../../../core/os/addon.ts";
import { effectiveUserId } from "../../../core/os/process-name.ts";
import { installLines, type InstallLine, type Packages } from "../process/distribution.ts";
import { findGuestKernel, guestKernelPackages } from "../guest/kernel.ts";
import { judgeKvm, type KvmVerdict } from "./kvm.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { findProgram, packagesOf, type ProgramName, resolveProgram } from "../process/programs.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** True if most commands need it. */
  readonly required: boolean;
  /** The purpose of the program or resource. */
  readonly purpose: string;
  /** Its path or amount, or the reason why it is not usable. */
  readonly detail: string;
  /** The commands that install it; empty if it is present. */
  readonly install: readonly InstallLine[];
  /** Other advice. */
  readonly remedy: string | null;
}

export interface SurveyOptions {
  readonly signal?: AbortSignal | undefined;
  /** QEMU's name or path, where it is not the usual one. */
  readonly qemu?: string | undefined;
}

const oldestNode = [20, 19] as const;
const neededMemory = 2 ** 30;
/** 1,000 clients with 9 descriptors each on one side, and some of our own. */
const wantedDescriptors = 9200;
const wantedSharedMemory = 256 << 20;
const compilerPackages: Packages = {
  debian: "gcc libc6-dev",
  fedora: "gcc glibc-devel",
  centos: "gcc glibc-devel",
};

/**
 * Looks at everything that this package can use on this machine.
 *
 * @throws `signal.reason`
 */
export async function survey(ledger: Ledger, options: SurveyOptions = {}): Promise<Finding[]> {
  const qemu = options.qemu ?? "qemu-system-x86_64";
  return [
    node(),
    nativeAddon(),
    qemuFinding(qemu),
    memory(),
    await kvm(ledger, qemu, options.signal),
    program("qemu-storage-daemon", "a block back-end to test the client with"),
    program("virtiofsd", "a file system back-end to probe"),
    program("dpdk-testpmd", "a network front-end and back-end"),
    guest(),
    program("linux.uml", "a guest with neither QEMU nor KVM"),
    compiler(),
    descriptors(),
    sharedMemory(),
    root(),
  ];
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  return finding(
    "Node",
    ok,
    "runs this program",
    `${process.version} (at least ${oldestNode.join(".")})`,
    {
      required: true,
      remedy: ok ? null : "install a newer Node: https://nodejs.org/en/download",
    },
  );
}

function nativeAddon(): Finding {
  const purpose = "sockets with descriptors and shared memory";
  try {
    addon();
    return finding("addon", true, purpose, "loads", { required: true });
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    return finding("addon", false, purpose, reasonOf(error), {
      required: true,
      packages: compilerPackages,
      remedy: `install a C compiler, then: ${addonBuildCommand()}`,
    });
  }
}

/** Joins the first line of a failed load, and the files that were tried, without the build steps. */
function reasonOf({ message }: EnvironmentError): string {
  const lines = message.split("\n").map((line) => line.trim());
  const end = lines.findIndex((line) => line.startsWith("prebuilt addons in this package"));
  const [head = "", ...tried] = lines.slice(0, end === -1 ? 1 : end);
  return [head, tried.join(", ")].join(" ").trim();
}

function qemuFinding(name: string): Finding {
  const path = resolveProgram(name);
  const purpose = "the front-end of real guests; qemu start";
  const detail = path ?? `${name} not found`;
  return finding("qemu-system-x86_64", path !== undefined, purpose, detail, {
    required: true,
    packages: packagesOf("qemu-system-x86_64"),
    remedy: path === undefined ? "where it has another name: set the variable QEMU to it" : null,
  });
}

function program(name: ProgramName, purpose: string): Finding {
  const path = findProgram(name);
  return finding(name, path !== undefined, purpose, path ?? `${name} not found`, {
    packages: packagesOf(name),
  });
}

function guest(): Finding {
  const purpose = "Linux guests that use our block device";
  const busybox = findProgram("busybox");
  try {
    const { imagePath } = findGuestKernel();
    const detail = `${imagePath}, ${busybox ?? "but no busybox"}`;
    return finding("guest kernel and busybox", busybox !== undefined, purpose, detail, {
      packages: packagesOf("busybox"),
    });
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    const packages = join(
      guestKernelPackages,
      busybox === undefined ? packagesOf("busybox") : undefined,
    );
    const detail = error.message.split("\n")[0] ?? "";
    const unreadable = detail.includes("cannot be read");
    return finding(
      "guest kernel and busybox",
      false,
      purpose,
      detail,
      unreadable ? {} : { packages },
    );
  }
}

function join(a: Packages, b: Packages | undefined): Packages {
  if (b === undefined) return a;
  // An epel: prefix comes first or not at all.
  const both = (x = "", y = ""): string =>
    y.startsWith("epel:") ? `epel:${x} ${y.slice(5)}` : `${x} ${y}`;
  return {
    debian: both(a.debian, b.debian),
    fedora: both(a.fedora, b.fedora),
    centos: both(a.centos, b.centos),
  };
}

function compiler(): Finding {
  const name = process.env["CC"] || "cc";
  const path = resolveProgram(name);
  return finding(
    "C compiler",
    path !== undefined,
    "builds the addon, where no prebuilt one fits",
    path ?? `${name} not found`,
    {
      packages: compilerPackages,
    },
  );
}

async function kvm(
  ledger: Ledger,
  qemu: string,
  signal: AbortSignal | undefined,
): Promise<Finding> {
  const purpose = "fast guests; without it they are emulated (TCG)";
  const path = resolveProgram(qemu);
  if (path === undefined) return finding("KVM", false, purpose, "not tried: QEMU is missing");
  const { usable, reason }: KvmVerdict = await judgeKvm(ledger, path, { signal });
  return finding("KVM", usable, purpose, reason, {
    remedy: usable ? null : "nothing has to be done: TCG is used instead",
  });
}

function memory(): Finding {
  const available = availableMemory();
  const ok = available >= neededMemory;
  return finding(
    "memory",
    ok,
    "guests and the stress test",
    `${mib(available)} available (1024 MiB needed)`,
    {
      required: true,
      remedy: ok ? null : "end other programs, or give this machine more memory",
    },
  );
}

function descriptors(): Finding {
  const limit =
    /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "0";
  const ok = limit === "unlimited" || Number(limit) >= wantedDescriptors;
  return finding(
    "open files",
    ok,
    "1,000 clients at once",
    `limit ${limit} (RLIMIT_NOFILE; ${wantedDescriptors} wanted)`,
    {
      remedy: ok ? null : `ulimit -n ${wantedDescriptors}, or test with fewer --clients`,
    },
  );
}

/** memfd counts against the memory, not against /dev/shm; programs such as DPDK's may use that. */
function sharedMemory(): Finding {
  const available = availableMemory();
  const ok = available >= wantedSharedMemory;
  let shm = "no /dev/shm";
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    shm = `/dev/shm ${mib(bavail * bsize)}`;
  } catch {
    // As it says.
  }
  return finding(
    "shared memory",
    ok,
    "rings, and memory of guests",
    `memfd ${mib(available)}, ${shm} (${mib(wantedSharedMemory)} wanted)`,
    {
      remedy: ok ? null : "end other programs, or use a smaller --memory",
    },
  );
}

function root(): Finding {
  const isRoot = effectiveUserId() === 0;
  const needs =
    "virtiofsd in its own sandbox, dpdk-testpmd and installing packages need root; nothing else does";
  let writable = true;
  try {
    accessSync("/tmp", constants.W_OK);
  } catch {
    writable = false;
  }
  return finding(
    "root",
    isRoot,
    "some peers",
    `${isRoot ? "you are root" : "you are not root"}: ${needs}${writable ? "" : "; /tmp is not writable"}`,
  );
}

function availableMemory(): number {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / (1 << 20))} MiB`;
}

function finding(
  name: string,
  ok: boolean,
  purpose: string,
  detail: string,
  more: { required?: boolean; packages?: Packages; remedy?: string | null } = {},
): Finding {
  const { required = false, packages, remedy = null } = more;
  const install = ok || packages === undefined ? [] : installLines(packages);
  return { name, ok, required, purpose, detail, install, remedy };
}
