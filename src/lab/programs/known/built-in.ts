import type { WaitOptions } from "../../../core/base/index.ts";
import { packagePath } from "../../../core/os/index.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { startListening } from "../process/ready.ts";

export interface BuiltInOptions extends WaitOptions {
  readonly socketPath: string;
  /** Bytes of the disk, which is memory. */
  readonly size: number;
  /** Further arguments of `serve block`. */
  readonly extraArguments?: readonly string[] | undefined;
}

/**
 * Starts `vhost-user serve block` in a process of its own and waits until it listens.
 *
 * @throws {EnvironmentError | TimeoutError | PeerClosedError} it does not come up
 */
export async function startBuiltIn(options: BuiltInOptions): Promise<ManagedProcess> {
  const { socketPath, size, extraArguments = [] } = options;
  const command = packagePath("bin", "vhost-user.js");
  const args = [
    "serve",
    "block",
    "--socket",
    socketPath,
    "--size",
    String(size),
    ...extraArguments,
  ];
  const start = async () => ManagedProcess.spawn(process.execPath, [command, ...args]);
  return startListening(socketPath, start, options);
}
