import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** Bit of SIGHUP, signal 1, in the masks of /proc. */
const SIGHUP_BIT = 1n;
/** The bits of the access mode of `open`, and its value for write-only. */
const ACCESS_MODE = 0o3;
const WRITE_ONLY = 0o1;

/**
 * Returns whether SIGHUP was ignored when this process began, as `nohup` has it. Node resets every
 * signal to its default before it runs JavaScript, so the process itself no longer shows it. Three
 * signs do: the parent, if it ignores the signal as well (`nohup sh -c …`, `trap '' HUP`); the
 * variable `_`, in which bash and zsh name the program that they start (`nohup`); a standard input
 * that is `/dev/null` and cannot be read, with which GNU nohup replaces a terminal.
 */
export function isHangupIgnored(
  env: NodeJS.ProcessEnv = process.env,
  proc: string = "/proc",
): boolean {
  return (
    ignoresHangup(`${proc}/self`) ||
    ignoresHangup(`${proc}/${process.ppid}`) ||
    basename(env["_"] ?? "") === "nohup" ||
    hasInputOfNohup(`${proc}/self`)
  );
}

function ignoresHangup(folder: string): boolean {
  try {
    const [, mask = "0"] =
      /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`${folder}/status`, "utf8")) ?? [];
    return (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n;
  } catch {
    return false;
  }
}

function hasInputOfNohup(folder: string): boolean {
  try {
    const [, flags = "0"] =
      /^flags:\s*([0-7]+)$/m.exec(readFileSync(`${folder}/fdinfo/0`, "utf8")) ?? [];
    const isWriteOnly = (Number.parseInt(flags, 8) & ACCESS_MODE) === WRITE_ONLY;
    return isWriteOnly && readlinkSync(`${folder}/fd/0`) === "/dev/null";
  } catch {
    return false;
  }
}
