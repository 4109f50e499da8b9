import {
  currentOwner,
  lastLogLines,
  type ServerStatus,
  type StopResult,
} from "../../../../lab/programs/index.ts";

const STATUS_LOG_LINES = 8;

/** `kind` is that of the document: what the server is goes by another name. */
export function documentOf({ kind: server, ...status }: ServerStatus) {
  return { schemaVersion: 1, kind: "qemu", server, ...status } as const;
}

/** Describes a running server in one line. */
export function describe({ kind, pid, accelerator, socket, log }: ServerStatus): string {
  const what = kind === "net" ? `QEMU (net, ${accelerator})` : "qemu-storage-daemon (block)";
  return `${what}, pid ${pid}, listens on ${socket}, log ${log}`;
}

/** Names the other owner who started it. */
export function ownerText({ owner }: ServerStatus): string {
  return owner === currentOwner() ? "" : `, started by ${owner ?? "an older version"}`;
}

/** Returns the state of a server and the last lines of its log. */
export function statusLines(status: ServerStatus): string[] {
  const { running, kind, pid, accelerator, socket, mode, log, commandLine, owner } = status;
  const lines = log === null ? [] : lastLogLines(log, STATUS_LOG_LINES);
  const tail = log === null ? [] : [`log       ${log}`, ...lines.map((line) => `  ${line}`)];
  if (!running) return [`not running (socket ${socket})`, ...tail];
  return [
    `running   ${kind}, pid ${pid}`,
    `socket    ${socket} (${mode})`,
    `owner     ${owner ?? "unknown: an older version started it"}`,
    ...(accelerator === null ? [] : [`accelerator ${accelerator}`]),
    `command   ${commandLine}`,
    ...tail,
  ];
}

/** Returns what a stop did, one line each. */
export function stopLines(stopped: StopResult | undefined): string[] {
  if (stopped === undefined) return [];
  const { stopped: process, forced, removed, left, log } = stopped;
  const how = forced ? " (by SIGKILL, it did not end by SIGTERM)" : "";
  return [
    process === undefined
      ? "it did not run any more; what it left was cleared"
      : `stopped: pid ${process.pid}${how}`,
    ...(removed.length === 0 ? [] : [`removed: ${removed.join(", ")}`]),
    ...left.map(({ path, reason }) => `left alone: ${path}: ${reason}`),
    `the log stays: ${log}`,
  ];
}

/** Formats a duration in milliseconds. */
export function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
