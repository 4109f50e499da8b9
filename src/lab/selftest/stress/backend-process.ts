/** A process of the stress group: the built-in block back-end, which can be asked what it holds. */
import { BackendServer } from "../../../endpoints/backend/index.ts";
import { BlockDevice } from "../../../endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../endpoints/storage/index.ts";
import { answerParent, usageOf } from "./answering.ts";

let server: BackendServer | undefined;

answerParent({
  serve: async ({ path, size }) => {
    const storage = BlockStorage.memory(size);
    server = await BackendServer.listen(path, { device: () => new BlockDevice({ storage }) });
    return { done: 1, failures: {} };
  },
  usage: async () => usageOf(server?.sessions.size ?? 0),
});
