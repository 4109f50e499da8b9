/** Helpers of the tests that run the command. */
export { commandPath, type Result, Running, type RunOptions, vhostUser } from "./command.ts";
export { busyListener, rawListener } from "./peers.ts";
export { notifications } from "./notifications.ts";
export { needsUnprivilegedUser, unprivilegedUser } from "./unprivileged-user.ts";
export { Workspace } from "./workspace.ts";
