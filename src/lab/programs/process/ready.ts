import { delay, StateError, TimeoutError, type WaitOptions } from "../../../core/base/index.ts";
import { isListening } from "../../../core/os/proc-net-unix.ts";
import type { ManagedProcess } from "./managed-process.ts";

const pollMs = 20;
const defaultTimeoutMs = 10_000;

/**
 * Resolves when somebody listens on `socketPath`. Read from the kernel's table of UNIX sockets and
 * never tried by connecting: many back-ends take the first connection for their only front-end.
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
      const message = `nobody listens on ${socketPath} after ${timeoutMs} ms`;
      throw new TimeoutError(peer?.describe(`${message} (${peer.name} still runs)`) ?? message);
    }
    await delay(pollMs, signal);
  }
}

/**
 * Starts a peer by `start` and waits until it listens; when it does not, it is stopped before the
 * error is thrown.
 *
 * @throws {StateError} somebody listens there already; else as {@link waitUntilListening}
 */
export async function startListening(
  socketPath: string,
  start: () => Promise<ManagedProcess>,
  options: WaitOptions = {},
): Promise<ManagedProcess> {
  // Else the other one would be taken for ours, and QEMU would remove its socket unasked.
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
