/**
 * os: the typed interface to the native addon, which provides what Node.js lacks: UNIX sockets that
 * carry descriptors, shared memory, event descriptors, polling of arbitrary descriptors.
 *
 * Every object here owns something that must be closed, and is `Disposable`. Failures of system
 * calls are `SystemError`; "would block" is a return value. The addon is loaded at the first use
 * and not by the import.
 *
 * Imports base only. Any room but base and protocol may import it.
 */
export { addon, addonBuildCommand } from "./addon.ts";
export * from "./datagram.ts";
export * from "./event-fd.ts";
export * from "./fallocate.ts";
export * from "./folder.ts";
export * from "./mapping.ts";
export * from "./open-file.ts";
export * from "./owned-fd.ts";
export * from "./package-path.ts";
export * from "./path-problem.ts";
export * from "./pipe.ts";
export * from "./poller.ts";
export * from "./process-end.ts";
export * from "./process-figures.ts";
export * from "./process-name.ts";
export * from "./proc-net-unix.ts";
export * from "./shared-memory.ts";
export * from "./system-error.ts";
export * from "./unix-listener.ts";
export * from "./unix-socket.ts";
export * from "./uring.ts";
export * from "./uring-operation.ts";
export * from "./userfault.ts";
export * from "./wait-readable.ts";
