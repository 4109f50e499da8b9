import { join } from "node:path";
import { blockType } from "../../../endpoints/devices/block/type.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import { expectDevice } from "../../probe/index.ts";
import { startBuiltIn } from "../../programs/index.ts";
import type { TestContext } from "../context.ts";

const DISK_BYTES = 64 << 20;
const MEMORY = { size: 64 << 10 };

/**
 * Returns what is measured: the back-end that the command line names, else the built-in one in a process
 * of its own.
 *
 * @throws what {@link Client.connect} throws; {@link NegotiationError} it serves another device type
 */
export async function startTarget(
  context: TestContext,
): Promise<{ path: string; builtIn: boolean }> {
  const { options, folder, signal } = context;
  if (options.socket !== undefined) {
    await using client = await Client.connect(options.socket, { memory: MEMORY, signal });
    await expectDevice(client, blockType);
    return { path: options.socket, builtIn: false };
  }
  const path = join(folder, "perf.sock");
  const backend = await startBuiltIn({ socketPath: path, size: DISK_BYTES, signal });
  context.defer(async () => backend.stop());
  return { path, builtIn: true };
}
