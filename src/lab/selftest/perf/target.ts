import { join } from "node:path";
import { startBuiltIn } from "../../programs/index.ts";
import type { TestContext } from "../context.ts";

const DISK_BYTES = 64 << 20;

/** What is measured: the back-end of `--socket`, else the built-in one in a process of its own. */
export async function startTarget(
  context: TestContext,
): Promise<{ path: string; builtIn: boolean }> {
  const { options, folder, signal } = context;
  if (options.socket !== undefined) return { path: options.socket, builtIn: false };
  const path = join(folder, "perf.sock");
  const backend = await startBuiltIn({ socketPath: path, size: DISK_BYTES, signal });
  context.defer(async () => backend.stop());
  return { path, builtIn: true };
}
