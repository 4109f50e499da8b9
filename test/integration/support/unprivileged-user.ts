import { spawnSync } from "node:child_process";
import { commandPath } from "./command.ts";

/** Runs a command as a user who owns nothing here. */
export const unprivilegedUser: readonly string[] = [
  "setpriv",
  "--reuid",
  "65534",
  "--regid",
  "65534",
  "--clear-groups",
];

/**
 * Why a test cannot become that user, or false. It takes root, and a checkout that other users may read:
 * in root's own folder they may not. With CI=true that is a failure.
 */
export function needsUnprivilegedUser(): string | false {
  if (process.getuid?.() !== 0) return "needs root, to become another user";
  const [program = "", ...args] = unprivilegedUser;
  const { status } = spawnSync(program, [...args, "head", "-c1", commandPath], { stdio: "ignore" });
  if (status === 0) return false;
  const reason = `needs a checkout that other users may read, unlike ${commandPath}`;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}
