/**
 * A back-end with faults as a process of its own:
 *
 *     node faulty-backend.js SOCKET FAULT…
 *
 * Says `ready` to its parent once it listens; ends when the parent disconnects.
 */
import { BackendServer } from "../../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../src/endpoints/storage/index.ts";
import { applyFaults, parseFault } from "../../../src/lab/faults/index.ts";

const [path = "", ...texts] = process.argv.slice(2);
const storage = BlockStorage.memory(1 << 20);
const options = { device: () => new BlockDevice({ storage }) };
const server = await BackendServer.listen(path, applyFaults(texts.map(parseFault), options));
process.once("disconnect", () => {
  server.close();
  storage.close();
});
process.send?.("ready");
