import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { FrontendRequest } from "../../src/core/protocol/index.ts";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../src/endpoints/devices/block/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { startStorageDaemon } from "../../src/lab/programs/index.ts";
import { Capture, parseCapture, RawFrontend, Relay } from "../../src/lab/wire/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("qemu-storage-daemon");

test(
  "a client uses qemu-storage-daemon through a relay, and the capture replays against it",
  { skip },
  async (t) => {
    const directory = temporaryDirectory(t);
    const [behind, socket] = [join(directory, "disk.sock"), join(directory, "relay.sock")];
    const imagePath = diskImage(directory, 1 << 20, Buffer.from("through the relay"));
    await using _daemon = await startStorageDaemon({ imagePath, socketPath: behind });
    let text = "";
    const capture = new Capture((line) => (text += line));
    const relay = await Relay.start({
      frontend: { listen: socket },
      backend: { connect: behind },
      hooks: () => ({
        message: async ({ from, channel, frame }, forward) => {
          capture.record(from, frame, channel);
          await forward(frame);
        },
      }),
    });
    const client = await Client.connect(socket, { deviceFeatures: BLOCK_DRIVER_FEATURES });
    const driver = await BlockDriver.start(client, { depth: 1, transferBytes: 4096 });
    const bytes = await driver.read(0, 512);
    assert.equal(Buffer.from(bytes.subarray(0, 17)).toString(), "through the relay");
    await client.close();

    // The daemon answers the recorded questions again, with the same bytes.
    const messages = parseCapture(text);
    const raw = await RawFrontend.connect(behind);
    for (const request of [FrontendRequest.GetFeatures, FrontendRequest.GetProtocolFeatures]) {
      const of = (from: string) =>
        messages.find((each) => each.from === from && each.header.request === request);
      await raw.sendBytes(of("front-end")?.bytes ?? new Uint8Array());
      const reply = await raw.next();
      assert.ok(typeof reply === "object");
      assert.deepEqual(reply.payload, of("back-end")?.payload);
    }
    raw.close();
    relay.close();
  },
);
