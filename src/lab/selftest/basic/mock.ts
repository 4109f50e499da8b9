import { join } from "node:path";
import { BackendServer, type BackendOptions } from "../../../endpoints/backend/index.ts";
import { BLOCK_DRIVER_FEATURES, BlockDevice } from "../../../endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../endpoints/storage/index.ts";
import { Client, type ClientOptions } from "../../../endpoints/frontend/index.ts";
import { applyFaults, parseFault } from "../../faults/index.ts";
import type { TestContext } from "../context.ts";

const DISK_BYTES = 1 << 20;
/** Clients of the mock server share little. */
const MEMORY = { size: 4 << 20 };

let sockets = 0;

/** A mock server: the built-in back-end over memory, with faults where a test wants them. */
export async function startMock(
  context: TestContext,
  faults: readonly string[] = [],
  more: Partial<BackendOptions> = {},
): Promise<string> {
  const storage = BlockStorage.memory(DISK_BYTES);
  context.defer(() => storage.close());
  sockets += 1;
  const path = join(context.folder, `mock-${sockets}.sock`);
  const options: BackendOptions = { device: () => new BlockDevice({ storage }), ...more };
  const server = await BackendServer.listen(path, applyFaults(faults.map(parseFault), options));
  context.defer(() => server.close());
  return path;
}

/** A client of a mock server; short of patience, as the server is next door. */
export async function connect(
  context: TestContext,
  path: string,
  options: ClientOptions = {},
): Promise<Client> {
  const client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: MEMORY,
    signal: context.signal,
    ...options,
  });
  context.defer(async () => client.close());
  return client;
}
