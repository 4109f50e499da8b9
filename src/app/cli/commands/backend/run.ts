import { UsageError } from "../../../../core/base/index.ts";
import { MAX_BLOCK_QUEUES } from "../../../../endpoints/devices/block/layout.ts";
import type { Context } from "../../context.ts";
import { parseGroup, parseMode } from "../../groups.ts";
import { LOG_FORMATS } from "../../output.ts";
import { passedSockets } from "../../service/activation.ts";
import { parseChoice } from "../../units.ts";

export type BackendType = "block" | "net" | "fs";

interface BackendProgramOptions {
  readonly socketPath?: string | undefined;
  readonly fd?: string | undefined;
  readonly socketMode?: string | undefined;
  readonly socketGroup?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly logFormat?: string | undefined;
  readonly printCapabilities?: true | undefined;
  readonly blkFile?: string | undefined;
  readonly readOnly?: true | undefined;
  readonly sharedDir?: string | undefined;
}

/** Options of each type; the specification names those of block. */
const capabilities: Readonly<Record<BackendType, readonly string[]>> = {
  block: ["blk-file", "read-only"],
  net: [],
  fs: ["shared-dir"],
};

/** A handshake may take this long, milliseconds. */
const TIMEOUT_MS = 5000;

/**
 * A back-end program by the conventions of the vhost-user specification: one socket, options of its
 * type, until SIGTERM.
 */
export async function runBackend(
  type: BackendType,
  options: BackendProgramOptions,
  surplus: readonly string[],
  context: Context,
): Promise<void> {
  if (options.printCapabilities) {
    context.output.print(JSON.stringify({ type, features: capabilities[type] }));
    return;
  }
  if (surplus.length > 0)
    throw new UsageError(`expected no further words, got ${surplus.join(" ")}`);
  const { socketPath: socket, fd, socketMode, socketGroup, pidFile, logFormat } = options;
  const passed = passedSockets(process.env, process.pid) > 0;
  if (!passed && (socket === undefined) === (fd === undefined)) {
    throw new UsageError("expected either --socket-path PATH or --fd NUMBER, got neither or both");
  }
  const common = {
    socket,
    fd: fd === undefined ? undefined : parseFd(fd),
    socketMode: parsed("--socket-mode", socketMode, parseMode),
    socketGroup: parsed("--socket-group", socketGroup, parseGroup),
    pidFile,
    logFormat: parsed("--log-format", logFormat, parseChoice(LOG_FORMATS)),
    fault: [],
    timeout: TIMEOUT_MS,
  };
  if (type === "net") {
    const { serveNet } = await import("../serve/net.ts");
    const station = { mac: "52:54:00:00:00:01", address: "10.0.2.1/24" };
    return serveNet(
      { ...common, ...station, traffic: "respond", queues: 1, frameSize: 64, ringMode: "event" },
      context,
    );
  }
  if (type === "fs") {
    const { serveFs } = await import("../serve/fs.ts");
    const dir = expectGiven(options.sharedDir, "--shared-dir FOLDER");
    return serveFs({ ...common, dir, tag: "shared", queues: 1 }, context);
  }
  const { serveBlock } = await import("../serve/run.ts");
  const image = expectGiven(options.blkFile, "--blk-file PATH");
  return serveBlock(
    { ...common, image, readOnly: options.readOnly, queues: MAX_BLOCK_QUEUES, ringMode: "event" },
    context,
  );
}

/** Not by the option itself: with --print-capabilities no value is an error. */
function parsed<T>(
  option: string,
  text: string | undefined,
  parse: (text: string) => T,
): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (cause) {
    throw new UsageError(`${option}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

function expectGiven(value: string | undefined, option: string): string {
  if (value !== undefined) return value;
  throw new UsageError(`expected ${option}, got none`);
}

function parseFd(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--fd: expected the number of an inherited descriptor, got "${text}"`);
}
