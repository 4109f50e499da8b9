import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, endianness, platform } from "node:os";
import { basename, join } from "node:path";
import { asError, EnvironmentError } from "../base/index.ts";
import { packageRoot } from "./package-path.ts";

/** Opaque handles that `mmap` and `pollerStart` return. */
export type MappingHandle = { readonly mapping: unique symbol };
export type PollerHandle = { readonly poller: unique symbol };

/**
 * The addon's functions. Numbers are >= 0 or `-errno`; only wrong types of arguments throw
 * (`TypeError`). The C code has the reasons.
 */
export interface Addon {
  /** `group`: 2^32 - 1 leaves it. */
  unixListen(path: string, backlog: number, mode: number, group: number): number;
  unixConnect(path: string): number;
  accept(fd: number): number;
  socketpair(out: Int32Array): number;
  shutdown(fd: number, how: number): number;
  /** `out`: pid, uid, gid. */
  peerCredentials(fd: number, out: Int32Array): number;
  /** 1 or 0. */
  isListening(fd: number): number;
  /** Sends from a new socket to the `sun_path` in the first three arguments. */
  sendDatagram(
    path: Uint8Array,
    pathOffset: number,
    pathLength: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): number;
  sendMessage(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    fds: Int32Array,
    fdCount: number,
  ): number;
  /**
   * `fdsOut[0]` gets the number of descriptors, which follow. Returns -EBADMSG if they were
   * truncated and -EMSGSIZE if there is no room; all are closed then.
   */
  receiveMessage(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    fdsOut: Int32Array,
  ): number;
  memfdCreate(name: string, flags: number): number;
  addSeals(fd: number, seals: number): number;
  getSeals(fd: number): number;
  /** F_GETFL. */
  getStatusFlags(fd: number): number;
  /** F_SETFL. */
  setStatusFlags(fd: number, flags: number): number;
  eventfd(initial: number): number;
  /** Returns -EAGAIN if the counter is full. */
  eventfdWrite(fd: number): number;
  /** Does the same without checking the descriptor's mode, for `EventFd.signalOwn`. */
  eventfdWriteOwn(fd: number): number;
  /** Returns 1 if it was signalled, 0 if not, -EPIPE at the end of a pipe. */
  eventfdRead(fd: number): number;
  /**
   * Reads once from a pipe or a socket, whatever its mode. Returns -EAGAIN if it is empty, 0 at the
   * end.
   */
  readAvailable(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  /** Writes once to a pipe or a socket, whatever its mode. Returns -EAGAIN if there is no room. */
  writeAvailable(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  /** `out`: the end to read from, the end to write to. */
  pipe(out: Int32Array): number;
  dup(fd: number): number;
  close(fd: number): number;
  fallocate(fd: number, mode: number, position: number, length: number): number;
  mmap(fd: number, length: number, offset: number, writable: boolean): number | MappingHandle;
  /** Returns a part of the mapping; throws if V8 has no room for it. */
  mappingBuffer(handle: MappingHandle, offset: number, length: number): ArrayBuffer;
  /** `buffers`: all that were made of the mapping; they are detached. */
  unmap(handle: MappingHandle, buffers: readonly ArrayBuffer[]): number;
  remap(handle: MappingHandle, fd: number, offset: number): number;
  userfaultfd(): number;
  userfaultRegister(fd: number, handle: MappingHandle): number;
  /** Returns the address, or 0 once unmapped. */
  mappingAddress(handle: MappingHandle): number;
  mappingBroken(handle: MappingHandle): boolean;
  markMappingBroken(handle: MappingHandle): void;
  /** Returns one i32: the number of windows of this process that have broken so far. */
  brokenMappings(): ArrayBuffer;
  /** `events`: 1 readable, 2 writable. The callback gets events, or `-errno`. */
  pollerStart(
    fd: number,
    events: number,
    callback: (eventsOrStatus: number) => void,
  ): number | PollerHandle;
  pollerUpdate(handle: PollerHandle, events: number): number;
  pollerStop(handle: PollerHandle): void;
  pollerRef(handle: PollerHandle): void;
  pollerUnref(handle: PollerHandle): void;
  /** Calls `openat` with a name given as bytes; O_CLOEXEC is added. */
  openAt(folder: number, name: Uint8Array, offset: number, length: number, flags: number): number;
  /** Reads the target of an open symbolic link, cut to `length`. Returns its bytes. */
  readLink(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Reads entries as `struct linux_dirent64`. Returns their bytes, or 0 at the end of the folder.
   */
  readFolder(
    fd: number,
    position: bigint,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): number;
  /**
   * `out`: features, entries of both rings, then byte offsets in the mapping: head, tail and array
   * of the submission ring, head, tail and entries of the completion ring. Returns a descriptor.
   */
  uringSetup(entries: number, completions: number, flags: number, out: Int32Array): number;
  /** Returns the number of entries submitted. Waits without a limit if `timeoutUs` is negative. */
  uringEnter(
    fd: number,
    submit: number,
    complete: number,
    flags: number,
    timeoutUs: number,
  ): number;
  waitReadable(fds: Int32Array, count: number, ready: Int32Array, timeoutUs: number): number;
}

/**
 * The machine and package for which the addon is loaded; a parameter, so that tests can simulate
 * other machines.
 */
export interface AddonHost {
  readonly platform: string;
  readonly arch: string;
  readonly endianness: "LE" | "BE";
  readonly libc: "glibc" | "musl";
  readonly packageRoot: string;
}

/** Returns the machine and package of this process. */
export function thisHost(): AddonHost {
  return {
    platform: platform(),
    arch: arch(),
    endianness: endianness(),
    libc: libc(),
    packageRoot,
  };
}

/** The mappings of this process name its dynamic linker; `process.report` takes a hundred times longer. */
function libc(): "glibc" | "musl" {
  try {
    return readFileSync("/proc/self/maps", "utf8").includes("/ld-musl-") ? "musl" : "glibc";
  } catch {
    return "glibc";
  }
}

/**
 * Returns the command that compiles the addon, in a checkout or an installed package. `npm rebuild`
 * does not compile it: the package has no install script.
 */
export function addonBuildCommand(host: AddonHost = thisHost()): string {
  const script = join(host.packageRoot, "scripts", "build-native.mjs");
  return `node ${/[^\w./@+-]/.test(script) ? `'${script.replaceAll("'", `'\\''`)}'` : script}`;
}

/** Returns the platforms for which the package has a prebuilt addon. */
function prebuiltPlatforms(host: AddonHost): string {
  try {
    const names = readdirSync(join(host.packageRoot, "prebuilds"));
    return names.map((name) => basename(name, ".node")).join(", ");
  } catch {
    return "";
  }
}

/**
 * Loads the addon for `host`: one that was compiled on this machine, else the package's prebuilt one.
 *
 * @throws EnvironmentError on another platform, or with what was tried and how to build it
 */
export function loadAddon(host: AddonHost): Addon {
  if (host.platform !== "linux") {
    throw new EnvironmentError(
      `sockets with descriptors and shared memory need Linux, and this is ${host.platform}; run it on Linux, or in a container or virtual machine with Linux`,
    );
  }
  if (host.endianness !== "LE") {
    throw new EnvironmentError(
      `virtqueues are little-endian and this ${host.arch} is big-endian; run it on a little-endian machine`,
    );
  }
  const name = `linux-${host.arch}-${host.libc}`;
  const candidates = [
    join(host.packageRoot, "build", "native", "vhost_user.node"),
    join(host.packageRoot, "prebuilds", `${name}.node`),
  ];
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const candidate of candidates) {
    if (!existsSync(candidate)) {
      tried.push(`${candidate}: no such file`);
      continue;
    }
    try {
      return require(candidate) as Addon;
    } catch (error) {
      tried.push(`${candidate}: ${asError(error).message}`);
    }
  }
  const prebuilt = prebuiltPlatforms(host);
  throw new EnvironmentError(
    [
      "the native addon could not be loaded; tried",
      ...tried.map((line) => `  ${line}`),
      `prebuilt addons in this package: ${prebuilt === "" ? "none" : prebuilt}; this is ${name}`,
      "to build the addon, install a C compiler:",
      ...(host.libc === "musl"
        ? ["    sudo apk add gcc musl-dev linux-headers"]
        : ["    sudo apt-get install -y gcc libc6-dev", "    sudo dnf install -y gcc glibc-devel"]),
      "then run:",
      `    ${addonBuildCommand(host)}`,
    ].join("\n"),
  );
}

let loaded: Addon | undefined;

/**
 * Returns the addon and loads it at the first call: codecs, captures and reports work without it.
 *
 * @throws EnvironmentError the addon cannot be loaded; the message has the command that builds it
 */
export function addon(): Addon {
  return (loaded ??= loadAddon(thisHost()));
}
