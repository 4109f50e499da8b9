import type { WaitOptions } from "../../../core/base/index.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { startListening } from "../process/ready.ts";

export interface VirtiofsdOptions {
  readonly socketPath: string;
  /** The directory that is shared. */
  readonly sharedDirectory: string;
  /** The sandbox of the daemon; `namespace` (default) needs root, `chroot` CAP_SYS_CHROOT. */
  readonly sandbox?: "namespace" | "chroot" | undefined;
  readonly extraArguments?: readonly string[] | undefined;
}

/** Command line that both the C program of QEMU 7.2 and its successor in Rust understand. */
export function virtiofsdArguments(options: VirtiofsdOptions): string[] {
  return [
    "-f",
    `--socket-path=${options.socketPath}`,
    "-o",
    `source=${options.sharedDirectory}`,
    "-o",
    `sandbox=${options.sandbox ?? "namespace"}`,
    ...(options.extraArguments ?? []),
  ];
}

/**
 * The vhost-user-fs back-end; resolves when it listens. It serves one front-end, then exits.
 *
 * @throws {EnvironmentError} program missing; {@link PeerClosedError} it refused to start
 */
export async function startVirtiofsd(
  options: VirtiofsdOptions & WaitOptions,
): Promise<ManagedProcess> {
  return await startListening(
    options.socketPath,
    () => ManagedProcess.spawn("virtiofsd", virtiofsdArguments(options)),
    options,
  );
}
