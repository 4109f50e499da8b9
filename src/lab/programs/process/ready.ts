import { delay, StateError, TimeoutError, type WaitOptions } from "../../../core/base/index.ts";
import { isListening } from "../../../core/os/proc-net-unix.ts";
import type { ManagedProcess } from "./managed-process.ts";

const pollMs = 20;
const defaultTimeoutMs = 10_000;

/**
 * Resolves when a process listens on `socketPath`. Reads the kernel's table of UNIX sockets and never
 * connects: many back-ends take the first connection for their only front-end.
 *
 * @param options.process what is expected to listen, itself or by its children, in network namespaces of
 *   their own as well; its end ends the wait
 * @throws {PeerClosedError} with the process's last output when it exits first;
 *   {@link TimeoutError} (default 10 s); `signal.reason`
 */
export async function waitUntilListening(
  socketPath: string,
  options: WaitOptions & { readonly process?: ManagedProcess },
): Promise<void> {
  const { process: peer, timeoutMs = defaultTimeoutMs, signal } = options;
  const deadline = performance.now() + timeoutMs;
  while (true) {
    signal?.throwIfAborted();
    if (peer?.exit) throw peer.exitError(`before it listened on ${socketPath}`);
    if (isListening(socketPath, peer?.pid)) return;
    if (performance.now() >= deadline) {
      const message = `no process listens on ${socketPath} after ${timeoutMs} ms`;
      throw new TimeoutError(peer?.describe(`${message} (${peer.name} still runs)`) ?? message);
    }
    await delay(pollMs, signal);
  }
}

/**
 * Starts a program with `start` and waits until it listens; one that does not is stopped before the
 * error is thrown.
 *
 * @throws {StateError} another process listens there already; {@link PeerClosedError}, {@link TimeoutError}
 */
export async function startListening(
  socketPath: string,
  start: () => Promise<ManagedProcess>,
  options: WaitOptions = {},
): Promise<ManagedProcess> {
  // Otherwise the other process would be taken for ours, and QEMU would remove its socket.
  if (isListening(socketPath)) {
    throw new StateError(`another process already listens on ${socketPath}`);
  }
  const peer = await start();
  try {
    await waitUntilListening(socketPath, { ...options, process: peer });
  } catch (error) {
    await peer.kill();
    throw error;
  }
  return peer;
}
