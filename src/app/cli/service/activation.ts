import { fstatSync } from "node:fs";
import { UsageError } from "../../../core/base/index.ts";
import { OwnedFd } from "../../../core/os/index.ts";

/** `SD_LISTEN_FDS_START`. */
const FIRST_DESCRIPTOR = 3;
/** A service has a handful. */
const MAX_SOCKETS = 1024;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the number of sockets that a service manager passes to this process, as descriptors from
 * 3 on (`sd_listen_fds(3)`); 0 if they are for another process.
 *
 * @throws {UsageError} `LISTEN_FDS` is not a number of sockets
 */
export function passedSockets(env: Environment, pid: number): number {
  const { LISTEN_PID: forPid, LISTEN_FDS: count } = env;
  if (forPid === undefined || count === undefined || Number(forPid) !== pid) return 0;
  const sockets = /^\d+$/.test(count) ? Number(count) : Number.NaN;
  if (sockets <= MAX_SOCKETS) return sockets;
  throw new UsageError(`LISTEN_FDS=${count} is not a number of sockets from 0 to ${MAX_SOCKETS}`);
}

/**
 * Takes the sockets that {@link passedSockets} counts: the variables are removed, and programs that
 * this process starts do not inherit the sockets.
 */
export function takePassedSockets(env: NodeJS.ProcessEnv, pid: number): OwnedFd[] {
  const count = passedSockets(env, pid);
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  // All of them before any is taken: a wrong count names descriptors of Node's own.
  for (let i = 0; i < count; i += 1) expectSocket(FIRST_DESCRIPTOR + i, count);
  return Array.from({ length: count }, (_, i) => {
    const passed = new OwnedFd(FIRST_DESCRIPTOR + i);
    // A duplicate has FD_CLOEXEC.
    const socket = passed.duplicate();
    passed.close();
    return socket;
  });
}

function expectSocket(fd: number, count: number): void {
  try {
    if (fstatSync(fd).isSocket()) return;
  } catch {
    // It is not open.
  }
  throw new UsageError(
    `LISTEN_FDS=${count} but descriptor ${fd} is not a socket; pass sockets as descriptors ` +
      `${FIRST_DESCRIPTOR} to ${FIRST_DESCRIPTOR + count - 1}`,
  );
}

/** Explains why the passed sockets are not used: they are for the parent, for example npx. */
export function passedElsewhere(env: Environment, pid: number): string {
  const { LISTEN_PID: forPid } = env;
  if (forPid === undefined || Number(forPid) === pid) return "";
  return (
    `; LISTEN_PID=${forPid} passes sockets to another process than this one (${pid}): ` +
    `start vhost-user itself, without npx or npm`
  );
}
