import { closeSync, ftruncateSync, writeSync } from "node:fs";
import {
  delay,
  PeerClosedError,
  TimeoutError,
  type WaitOptions,
} from "../../../core/base/index.ts";
import { DetachedProcess } from "../process/detached-process.ts";
import { lockLedger } from "../ledger/ledger-lock.ts";
import { isOurs, type Ledger, type LedgerRecord } from "../ledger/ledger.ts";
import { lastLogLines, logHeader, logPurpose } from "./log-file.ts";
import { currentOwner } from "../ledger/owner.ts";
import { ownPath, removeOwnedPath, type OwnedPath } from "../ledger/owned-path.ts";
import { pidFilePurpose, pidFileText } from "../ledger/pid-file.ts";
import { createPrivateFile, explainFileError, type PathPurpose } from "../ledger/private-file.ts";
import { identifySelf } from "../process/process-identity.ts";
import { freeze } from "../process/freeze.ts";
import type { Accelerator } from "../known/qemu-options.ts";
import { retire } from "./retire.ts";
import {
  chooseAccelerator,
  clearWay,
  imagePurpose,
  requireServerProgram,
  type StartIo,
} from "./server-preflight.ts";
import {
  checkServerOptions,
  ownImagePath,
  serverArguments,
  serverId,
  type ServerOptions,
  shellWords,
  sparseImageBytes,
} from "./server-options.ts";
import {
  type ServerDetails,
  serverRecordKind,
  serverStatus,
  type ServerStatus,
} from "./server-record.ts";
import { holdsListener, holdsSocket } from "./socket-mode.ts";

export interface StartResult {
  readonly status: ServerStatus;
  /** True if the program already ran. */
  readonly already: boolean;
  /** Milliseconds from the start of the program until it listened. */
  readonly readyMs: number;
}

const defaultTimeoutMs = 10_000;
const pollMs = 20;
const shownLogLines = 8;

/**
 * Starts the server and resolves when it listens; it survives this process. Of two that start the
 * same socket at once one waits for the other and then finds it running. Whatever fails or is
 * interrupted is undone: process, socket, files and record.
 *
 * @throws {EnvironmentError} program, permission or room is missing; {@link UsageError} a path is
 *   taken; {@link PeerClosedError} the program ended; {@link TimeoutError}; `signal.reason`
 */
export async function startServer(
  ledger: Ledger,
  asked: ServerOptions,
  io: StartIo,
): Promise<StartResult> {
  const options = checkServerOptions(asked);
  const owner = io.owner ?? currentOwner();
  const id = serverId(options.socket);
  using _lock = await lockLedger(ledger, id, {
    signal: io.signal,
    onWait: (holder) =>
      io.note(`another command is at work on ${options.socket}: ${holder}; waiting`),
  });
  const before = ledger.read(id);
  if (before?.state === "running" && isOurs(before)) {
    return { status: serverStatus(options.socket, before), already: true, readyMs: 0 };
  }
  if (before !== undefined) await clearRemains(ledger, before, io);
  const path = requireServerProgram(options);
  clearWay(ledger, options, io);
  const accelerator = await chooseAccelerator(ledger, options, path, io);
  const run = new Start(ledger, id, options, accelerator, path, owner);
  try {
    return await run.go(io);
  } catch (error) {
    await run.undo();
    throw error;
  }
}

async function clearRemains(ledger: Ledger, record: LedgerRecord, io: StartIo): Promise<void> {
  const { stopped, removed, left } = await retire(ledger, record, { keep: ["log"] });
  const who = record.process === null ? "a start that was cut off" : `pid ${record.process.pid}`;
  io.note(
    `cleared what ${who} left${stopped ? " (it still ran and was stopped)" : ""}: ` +
      (removed.join(", ") || "nothing but its record"),
  );
  for (const { path, reason } of left) io.note(`left alone: ${path}: ${reason}`);
}

/** One attempt: everything it makes is written down at once, so that it can be undone. */
class Start {
  readonly #ledger: Ledger;
  readonly #options: ServerOptions;
  readonly #command: readonly string[];
  readonly #paths: OwnedPath[] = [];
  #record: LedgerRecord;
  #process: DetachedProcess | undefined;

  constructor(
    ledger: Ledger,
    id: string,
    options: ServerOptions,
    accelerator: Accelerator | undefined,
    program: string,
    owner: string,
  ) {
    this.#ledger = ledger;
    this.#options = options;
    const disk = options.image ?? ownImagePath(options) ?? "";
    this.#command = [program, ...serverArguments(options, accelerator, disk)];
    this.#record = {
      id,
      kind: serverRecordKind,
      state: "starting",
      owner,
      writer: identifySelf(),
      process: null,
      paths: [],
      details: {
        options,
        accelerator: accelerator ?? null,
        command: this.#command,
      } satisfies ServerDetails as unknown as LedgerRecord["details"],
    };
  }

  async go(io: StartIo): Promise<StartResult> {
    const { socket, pidFile, log } = this.#options;
    const { signal, timeoutMs = defaultTimeoutMs } = io;
    signal?.throwIfAborted();
    const started = performance.now();
    this.#write({});
    const logFd = this.#create(log, logPurpose, "log");
    try {
      writeAll(logFd, logHeader(shellWords(this.#command), this.#record.owner), log, logPurpose);
      const image = ownImagePath(this.#options);
      if (image !== undefined) this.#createImage(image);
      const pidFd = this.#create(pidFile, pidFilePurpose, "pid file");
      try {
        const [program = "", ...args] = this.#command;
        this.#process = await DetachedProcess.spawn(program, args, logFd);
        const { identity } = this.#process;
        writeAll(pidFd, pidFileText(identity, this.#record.owner), pidFile, pidFilePurpose);
        this.#write({ process: identity });
      } finally {
        closeSync(pidFd);
      }
    } finally {
      closeSync(logFd);
    }
    this.#process.begin();
    await this.#listening(this.#process, { signal, timeoutMs }, io.progress);
    this.#paths.push(ownPath(socket, "socket"));
    this.#write({ state: "running" });
    this.#process.release();
    const readyMs = performance.now() - started;
    return { status: serverStatus(socket, this.#record), already: false, readyMs };
  }

  /** Undoes the start. */
  async undo(): Promise<void> {
    const { socket } = this.#options;
    const running = this.#process;
    if (running !== undefined && !this.#paths.some(({ role }) => role === "socket")) {
      await freeze(running.identity);
      if (holdsSocket(running.identity.pid, socket)) this.#paths.push(ownPath(socket, "socket"));
    }
    await running?.kill();
    for (const owned of this.#paths) removeOwnedPath(owned);
    this.#ledger.remove(this.#record.id);
  }

  #write(change: Partial<LedgerRecord>): void {
    this.#record = { ...this.#record, ...change, paths: [...this.#paths] };
    this.#ledger.write(this.#record);
  }

  #create(path: string, purpose: PathPurpose, role: OwnedPath["role"]): number {
    const fd = createPrivateFile(path, purpose);
    this.#paths.push(ownPath(path, role));
    this.#write({});
    return fd;
  }

  #createImage(path: string): void {
    const fd = this.#create(path, imagePurpose, "image");
    try {
      ftruncateSync(fd, sparseImageBytes);
    } finally {
      closeSync(fd);
    }
  }

  async #listening(
    running: DetachedProcess,
    { signal, timeoutMs = defaultTimeoutMs }: WaitOptions,
    progress: StartIo["progress"],
  ): Promise<void> {
    const { socket } = this.#options;
    const started = performance.now();
    while (!holdsListener(running.identity.pid, socket)) {
      const waitedMs = performance.now() - started;
      const { exit } = running;
      if (exit !== undefined) {
        const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
        throw new PeerClosedError(
          this.#withLog(`it ended (${how}) before it listened on ${socket}`),
        );
      }
      if (waitedMs > timeoutMs) {
        throw new TimeoutError(
          this.#withLog(
            `Timeout waiting for vhost-user socket ${socket}: not listening after ${timeoutMs} ms ` +
              "(--timeout gives it longer)",
          ),
        );
      }
      progress?.(`waiting for ${socket} (${(waitedMs / 1000).toFixed(1)} s)`);
      await delay(pollMs, signal);
    }
  }

  #withLog(message: string): string {
    const program = this.#command[0] ?? "";
    const lines = lastLogLines(this.#options.log, shownLogLines);
    const said =
      lines.length === 0 ? "; it printed nothing" : `; it printed last:\n  ${lines.join("\n  ")}`;
    return `${program}: ${message}${said}`;
  }
}

function writeAll(fd: number, text: string, path: string, purpose: PathPurpose): void {
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
  } catch (error) {
    throw explainFileError(error, path, purpose);
  }
}
