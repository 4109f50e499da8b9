// node read.js SOCKET COUNT: prints random bytes of the back-end in hexadecimal.
import { Client } from "vhost-user";
import { EntropyDriver } from "./driver.ts";

const [, , socket = "entropy.sock", count = "16"] = process.argv;
const client = await Client.connect(socket);
try {
  const driver = await EntropyDriver.start(client);
  const bytes = await driver.read(Number(count));
  process.stdout.write(`${Buffer.from(bytes).toString("hex")}\n`);
} finally {
  await client.close();
}
