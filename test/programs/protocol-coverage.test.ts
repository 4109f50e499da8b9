import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BackendServer, type Device } from "../../src/endpoints/backend/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockDriver,
  BlockFeature,
} from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { NetDevice } from "../../src/endpoints/devices/net/index.ts";
import { Client, type ClientOptions } from "../../src/endpoints/frontend/index.ts";
import { EventFd, SharedMemory } from "../../src/core/os/index.ts";
import {
  bootFirmware,
  bootSector,
  bootUml,
  startStorageDaemon,
  startVirtiofsd,
  Testpmd,
} from "../../src/lab/programs/index.ts";
import { ProtocolFeature } from "../../src/core/protocol/index.ts";
import { assertHeard, listen } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

/** Requests that only set something, which every back-end of libvhost-user's kind takes. */
async function tryRequests(client: Client): Promise<void> {
  const { requests } = client;
  using event = EventFd.create();
  await requests.setVringErr(0, event.descriptor);
  await requests.getQueueNum();
  await requests.getFeatures();
}

async function blockSession(path: string, options: ClientOptions): Promise<void> {
  const client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES | BlockFeature.ConfigWce,
    ...options,
  });
  try {
    const driver = await BlockDriver.start(client);
    await driver.read(0, 4096);
    if (client.protocolFeatures & ProtocolFeature.Config) {
      // The cache of the disk is switched, the only field that a driver may write.
      await client.requests.setConfig(32, await client.requests.getConfig(32, 1));
    }
    if (client.protocolFeatures & ProtocolFeature.ConfigureMemSlots) {
      using extra = SharedMemory.create("slot", 1 << 16);
      const region = {
        guestAddress: 1n << 40n,
        size: 1n << 16n,
        userAddress: 1n << 44n,
        mmapOffset: 0n,
      };
      assert.ok((await client.requests.getMaxMemSlots()) > 1n);
      await client.requests.addMemReg(region, extra.fd);
      await client.requests.remMemReg(region);
    }
    await tryRequests(client);
    // libvhost-user signals it after it has logged something.
    using event = EventFd.create();
    await client.requests.setLogFd(event.descriptor);
    await client.requests.getFeatures();
  } finally {
    await client.close();
  }
}

test(
  "our client with qemu-storage-daemon",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, 1 << 20, Buffer.alloc(0));
    await using daemon = await startStorageDaemon({ socketPath, imagePath, writable: true });
    const heard = listen();
    await blockSession(socketPath, heard);
    // Without slots the table goes as a whole.
    await blockSession(socketPath, {
      ...heard,
      without: { protocol: ProtocolFeature.ConfigureMemSlots },
    });
    assert.equal(daemon.exit, undefined);
    assertHeard("client", "qemu-storage-daemon 7.2", heard);
  },
);

test("our client with virtiofsd", { skip: needsRoot() || needsProgram("virtiofsd") }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "fs.sock");
  await using daemon = await startVirtiofsd({ socketPath, sharedDirectory: directory });
  const heard = listen();
  const client = await Client.connect(socketPath, heard);
  assert.ok((await client.requests.getMaxMemSlots()) > 1n);
  await tryRequests(client).catch(() => undefined);
  await client.close();
  assert.ok(daemon.pid > 0);
  assertHeard("client", "virtiofsd 7.2", heard);
});

test("our client with DPDK's net_vhost", { skip: needsProgram("dpdk-testpmd") }, async (t) => {
  const socketPath = join(temporaryDirectory(t), "net.sock");
  await using testpmd = await Testpmd.start({
    socketPath,
    role: "backend",
    queuePairs: 1,
    applicationArguments: ["--forward-mode=rxonly"],
  });
  const heard = listen();
  const { Rarp, Mtu } = ProtocolFeature;
  const client = await Client.connect(socketPath, {
    ...heard,
    protocolFeatures: Rarp | Mtu,
    // VIRTIO_NET_F_MTU
    deviceFeatures: 1n << 3n,
  });
  await client.requests.sendRarp(0x563412005452n);
  await client.requests.netSetMtu(1500);
  await client.close();
  assert.ok(testpmd);
  assertHeard("client", "DPDK 22.11 net_vhost", heard);
});

interface Serving {
  readonly socketPath: string;
  readonly heard: ReturnType<typeof listen>;
}

async function serve(t: TestContext, device: () => Device): Promise<Serving> {
  const socketPath = join(temporaryDirectory(t), "device.sock");
  const heard = listen();
  const server = await BackendServer.listen(socketPath, { device, observe: heard.observe });
  t.after(() => server.close());
  return { socketPath, heard };
}

function servedDisk(t: TestContext): () => Device {
  const image = Buffer.from(bootSector("booted"));
  const storage = BlockStorage.open(diskImage(temporaryDirectory(t), 1 << 20, image));
  t.after(() => storage.close());
  return () => new BlockDevice({ storage });
}

test("our back-end with QEMU", { skip: needsProgram("qemu-system-x86_64") }, async (t) => {
  const { socketPath, heard } = await serve(t, servedDisk(t));
  const { message } = await bootFirmware({ socketPath });
  assert.equal(message, "booted");
  assertHeard("back-end", "QEMU 7.2", heard);
});

test(
  "our back-end with User Mode Linux",
  { skip: needsProgram("linux.uml", "busybox") },
  async (t) => {
    const { socketPath, heard } = await serve(t, servedDisk(t));
    const result = await bootUml({
      socketPath,
      deviceId: 2,
      script: "head -c 512 /dev/vda | wc -c",
    });
    assert.equal(result.output, "512\n");
    assertHeard("back-end", "User Mode Linux 6.1", heard);
  },
);

test("our back-end with DPDK's virtio-user", { skip: needsProgram("dpdk-testpmd") }, async (t) => {
  const { socketPath, heard } = await serve(t, () => new NetDevice());
  await using testpmd = await Testpmd.start({
    socketPath,
    role: "frontend",
    queuePairs: 1,
    applicationArguments: ["--forward-mode=rxonly", "--no-flush-rx"],
  });
  assert.ok(testpmd);
  assertHeard("back-end", "DPDK 22.11 virtio-user", heard);
});
