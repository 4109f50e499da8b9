/**
 * Runs the modules that are its arguments, one after another, beside back-ends that listen on
 * disk.sock, net.sock, fs.sock and rng.sock in the working directory. Prints the names of those that threw.
 */
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { BackendServer } from "../../../src/index.ts";
import { BlockDevice } from "../../../src/public/devices/block.ts";
import { FsDevice, SharedFolder } from "../../../src/public/devices/fs.ts";
import { NetResponder, respondingDevice } from "../../../src/public/devices/net.ts";
import { RngDevice } from "../../../src/public/devices/rng.ts";
import { BlockStorage } from "../../../src/public/storage.ts";

writeFileSync("hello.txt", "hello\n");
const storage = BlockStorage.memory(1 << 20);
const folder = SharedFolder.open(".");
const responder = new NetResponder();
const servers = [
  await BackendServer.listen("disk.sock", { device: () => new BlockDevice({ storage }) }),
  await BackendServer.listen("net.sock", { device: () => respondingDevice(responder) }),
  await BackendServer.listen("fs.sock", { device: () => new FsDevice({ folder }) }),
  await BackendServer.listen("rng.sock", { device: () => new RngDevice() }),
];
for (const file of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    process.stderr.write(`${basename(file)}: ${String(error)}\n`);
    process.exitCode = 1;
  }
}
for (const server of servers) await server.end();
folder.close();
storage.close();
