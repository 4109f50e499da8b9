import { Client } from "vhost-user";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "vhost-user/devices/block";

const [, , socket = "disk.sock"] = process.argv;
const client = await Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES });
try {
  const disk = await BlockDriver.start(client);
  await disk.write(0, new TextEncoder().encode("hello".padEnd(512)));
  await disk.flush();
  const sector = await disk.read(0, 512);
  const text = new TextDecoder().decode(sector).trimEnd();
  process.stdout.write(`${disk.size} bytes, sector 0: ${text}\n`);
} finally {
  await client.close();
}
