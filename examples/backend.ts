import { BackendServer } from "vhost-user";
import { BlockDevice } from "vhost-user/devices/block";
import { BlockStorage } from "vhost-user/storage";

const [, , socket = "disk.sock"] = process.argv;
const storage = BlockStorage.memory(64 << 20);
const server = await BackendServer.listen(socket, {
  device: () => new BlockDevice({ storage }),
  onSession: () => process.stdout.write("front-end connected\n"),
  onSessionEnd: (_, reason) => process.stdout.write(`front-end left: ${reason.message}\n`),
});
process.stdout.write(`listening on ${socket}; Ctrl-C ends\n`);
process.once("SIGINT", () => {
  server.close();
  storage.close();
});
