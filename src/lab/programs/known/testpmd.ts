import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { UsageError, type WaitOptions } from "../../../core/base/index.ts";
import { ManagedProcess, type ProcessExit } from "../process/managed-process.ts";
import { waitUntilListening } from "../process/ready.ts";

export interface TestpmdOptions {
  readonly socketPath: string;
  /** `backend`: `net_vhost`, listens. `frontend`: `net_virtio_user`, connects. */
  readonly role: "backend" | "frontend";
  /** Pairs of one receive and one transmit queue; default 1. */
  readonly queuePairs?: number | undefined;
  /** Further properties of the virtual device, e.g. `packed_vq=1`. */
  readonly deviceOptions?: string | undefined;
  /** DPDK's map of threads to processors, e.g. `0@1,1@1`; default `0,1`. */
  readonly lcores?: string | undefined;
  /** Hugepage-free memory; default 512. */
  readonly memoryMiB?: number | undefined;
  /** Words that start it instead of `dpdk-testpmd`, e.g. another version with its own loader. */
  readonly launcher?: readonly string[] | undefined;
  /** Further arguments after `--`, e.g. `["--forward-mode=txonly"]`. */
  readonly applicationArguments?: readonly string[] | undefined;
}

/**
 * testpmd writes its prompt letter by letter, past stdio: a line of the log may fall between two
 * letters, or follow at once.
 */
const prompt = new RegExp("testpmd> ".split("").join("(?:[^\\n]*\\n)?"));
const defaultStartMs = 30_000;

/** @param name unique among the DPDK programs of this machine */
export function testpmdArguments(options: TestpmdOptions, name: string): string[] {
  const pairs = options.queuePairs ?? 1;
  // The list of properties of a device knows no escape.
  if (options.socketPath.includes(",")) {
    throw new UsageError(
      `DPDK cannot take a socket path with a comma: ${options.socketPath}; choose another path`,
    );
  }
  const device =
    options.role === "backend"
      ? `net_vhost0,iface=${options.socketPath}`
      : `net_virtio_user0,path=${options.socketPath}`;
  return [
    `--lcores=${options.lcores ?? "0,1"}`,
    "--no-huge",
    "-m",
    `${options.memoryMiB ?? 512}`,
    "--no-pci",
    "--no-telemetry",
    `--file-prefix=${name}`,
    "--vdev",
    [device, `queues=${pairs}`, options.deviceOptions].filter(Boolean).join(","),
    "--",
    "--interactive",
    "--total-num-mbufs=8192",
    `--rxq=${pairs}`,
    `--txq=${pairs}`,
    ...(options.applicationArguments ?? []),
  ];
}

/** DPDK's traffic tool at its prompt. */
export class Testpmd implements AsyncDisposable {
  readonly process: ManagedProcess;
  readonly #runtimeDirectory: string;

  /**
   * Resolves when it listens (back-end) or its port is set up (front-end), and it takes commands.
   *
   * @throws {EnvironmentError} program missing; {@link PeerClosedError} it refused to start;
   *   {@link TimeoutError} (default 30 s)
   */
  static async start(options: TestpmdOptions & WaitOptions): Promise<Testpmd> {
    // DPDK leaves its run-time files behind, as root in /run/dpdk; this variable moves them.
    const directory = mkdtempSync(join(tmpdir(), "vu-dpdk-"));
    const wait = { timeoutMs: defaultStartMs, ...options };
    let peer: ManagedProcess | undefined;
    try {
      const [program = "", ...first] = options.launcher ?? ["dpdk-testpmd"];
      peer = await ManagedProcess.spawn(
        program,
        [...first, ...testpmdArguments(options, basename(directory))],
        {
          // At end of file it would quit.
          stdin: "pipe",
          // It prints answers through stdio and the prompt past it: unbuffered they keep their order.
          lineBuffered: true,
          env: { RUNTIME_DIRECTORY: directory },
        },
      );
      await peer.waitForOutput(prompt, wait);
      if (options.role === "backend") {
        // The prompt comes after the attempt to listen, whether that went well or not.
        await waitUntilListening(options.socketPath, { process: peer, timeoutMs: 1000 });
      }
    } catch (error) {
      await peer?.kill();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    return new Testpmd(peer, directory);
  }

  private constructor(peer: ManagedProcess, runtimeDirectory: string) {
    this.process = peer;
    this.#runtimeDirectory = runtimeDirectory;
  }

  /** Types a command, e.g. `show port stats all`; resolves with what it answered. */
  async command(text: string, options: WaitOptions = {}): Promise<string> {
    const from = this.process.outputPosition;
    this.process.write(`${text}\n`);
    await this.process.waitForOutput(prompt, { timeoutMs: 10_000, ...options, from });
    const [echoAndAnswer = ""] = this.process.outputSince(from).replaceAll("\r", "").split(prompt);
    return echoAndAnswer.slice(echoAndAnswer.indexOf("\n") + 1);
  }

  /** Quits, by force when it does not within `graceMs`; removes its run-time files. */
  async stop(options: { readonly graceMs?: number } = {}): Promise<ProcessExit> {
    const exit = await this.process.stop(options);
    rmSync(this.#runtimeDirectory, { recursive: true, force: true });
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
