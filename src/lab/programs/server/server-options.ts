import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { counted, UsageError } from "../../../core/base/index.ts";
import type { Accelerator } from "../known/qemu-options.ts";
import { qemuNetArguments } from "../known/qemu-net.ts";
import { storageDaemonArguments } from "../known/storage-daemon.ts";

/** `net`: QEMU, a front-end that listens. `block`: qemu-storage-daemon, a back-end. */
export type ServerKind = "net" | "block";
export const serverKinds: readonly ServerKind[] = ["net", "block"];

export interface ServerOptions {
  readonly kind: ServerKind;
  readonly socket: string;
  readonly pidFile: string;
  readonly log: string;
  /** Bytes of the guest's memory (net). */
  readonly memory: number;
  /** `auto`: KVM where it is usable, else TCG (net). */
  readonly accelerator: Accelerator | "auto";
  /** The exported image (block); by default a sparse file that exists as long as the server. */
  readonly image: string | undefined;
  /** Name or path of the program instead of the usual one. */
  readonly program: string | undefined;
  readonly extraArguments: readonly string[];
}

export const serverDefaults: ServerOptions = {
  kind: "net",
  socket: "/tmp/vhost-user-test-sock",
  pidFile: "/tmp/qemu-vhost-test.pid",
  log: "/tmp/qemu-vhost-test.log",
  memory: 512 << 20,
  accelerator: "auto",
  image: undefined,
  program: undefined,
  extraArguments: [],
};

export const sparseImageBytes = 64 << 20;
const programs = { net: "qemu-system-x86_64", block: "qemu-storage-daemon" } as const;
/** `sun_path` has 108 bytes, the last one is 0. */
const longestSocketPath = 107;

export function serverProgram({ kind, program }: ServerOptions): string {
  return program ?? programs[kind];
}

/**
 * Returns the options with absolute paths.
 *
 * @throws {UsageError} they cannot be served
 */
export function checkServerOptions(options: ServerOptions): ServerOptions {
  const { kind, memory, image } = options;
  const socket = resolve(options.socket);
  const length = Buffer.byteLength(socket);
  if (length > longestSocketPath) {
    throw new UsageError(
      `${socket}: a socket path has at most ${counted(longestSocketPath, "byte")}, this one has ${length}; choose a shorter one with --socket`,
    );
  }
  if (memory < 1 << 20 || memory % (1 << 20) !== 0) {
    throw new UsageError(
      `--memory must be whole MiB, at least 1M; ${counted(memory, "byte")} is not`,
    );
  }
  if (kind === "net" && image !== undefined) {
    throw new UsageError("--image and --kind net cannot be combined: a network device has no disk");
  }
  const pidFile = resolve(options.pidFile);
  const log = resolve(options.log);
  if (new Set([socket, pidFile, log]).size < 3) {
    throw new UsageError("--socket, --pid-file and --log must be three different paths");
  }
  return { ...options, socket, pidFile, log, image: image && resolve(image) };
}

/** The sparse file that lives as long as the server; undefined where none is needed. */
export function ownImagePath({ kind, image, socket }: ServerOptions): string | undefined {
  return kind === "block" && image === undefined ? `${socket}.img` : undefined;
}

/** Name of the run in the ledger: there is one server a socket. */
export function serverId(socket: string): string {
  return `qemu-${createHash("sha256").update(resolve(socket)).digest("hex").slice(0, 16)}`;
}

export function serverArguments(
  options: ServerOptions,
  accelerator: Accelerator | undefined,
  imagePath: string,
): string[] {
  const { kind, socket: socketPath, memory, extraArguments } = options;
  return kind === "net"
    ? qemuNetArguments({ socketPath, memoryMiB: memory / (1 << 20), accelerator, extraArguments })
    : storageDaemonArguments({ socketPath, imagePath, extraArguments });
}

/** Formats words as a shell command line. */
export function shellWords(words: readonly string[]): string {
  return words
    .map((word) =>
      /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`,
    )
    .join(" ");
}

/**
 * Splits as a shell would: blanks, quotes, backslashes; nothing is expanded.
 *
 * @throws {UsageError}
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  const token = /\s*((?:[^\s"'\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+)/y;
  let end = 0;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    end = token.lastIndex;
    words.push(
      (match[1] ?? "").replace(
        /\\([\s\S])|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"/g,
        (_all, escaped?: string, single?: string, double?: string) =>
          escaped ?? single ?? (double ?? "").replace(/\\(["\\$`])/g, "$1"),
      ),
    );
  }
  if (text.slice(end).trim() === "") return words;
  throw new UsageError(`a quote is not closed: ${text}; write its end`);
}
