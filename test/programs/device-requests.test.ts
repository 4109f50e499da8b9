import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BackendServer, type BackendSession } from "../../src/endpoints/backend/index.ts";
import { RemoteError } from "../../src/core/base/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { describeFrame } from "../../src/endpoints/devices/net/index.ts";
import { SharedMemory } from "../../src/core/os/index.ts";
import { blockDeviceArguments } from "../../src/lab/programs/index.ts";
import { bootSector } from "../../src/lab/programs/index.ts";
import { ManagedProcess } from "../../src/lab/programs/index.ts";
import { bareMachineArguments } from "../../src/lab/programs/known/qemu-options.ts";
import { ProtocolFeature } from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";
import { cardArguments, MAC, serveNet } from "./support/net.ts";
import { withCapabilities } from "../support/capability.ts";
import { until } from "../support/until.ts";

guardLeaks();

const skip = needsProgram("qemu-system-x86_64");

/** A QEMU that is ended after the test. */
async function startQemu(t: TestContext, args: readonly string[]): Promise<ManagedProcess> {
  const machine = await ManagedProcess.spawn(
    "qemu-system-x86_64",
    [...bareMachineArguments(64, 1), ...args],
    { stdin: "pipe" },
  );
  t.after(() => machine.kill());
  return machine;
}

test("QEMU has the back-end announce its card (SEND_RARP)", { skip }, async (t) => {
  const { socketPath, frames, problems } = await serveNet(t);
  const machine = await startQemu(t, [
    ...cardArguments(socketPath, { properties: "romfile=,guest_announce=off" }),
    "-monitor",
    "stdio",
  ]);
  await until(() => machine.output.includes("(qemu)"), "QEMU's monitor");
  machine.write("announce_self\n");
  await until(() => frames.length > 0, "the announcement");
  assert.match(
    describeFrame(frames[0] as Uint8Array),
    new RegExp(`^${MAC} > ff:.* RARP, 60 bytes`),
  );
  assert.deepEqual(problems, []);
});

test("QEMU maps the doorbell of a back-end (VRING_HOST_NOTIFIER_MSG)", { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "disk.sock");
  const storage = BlockStorage.open(
    diskImage(directory, 1 << 20, Buffer.from(bootSector("booted by a doorbell"))),
  );
  t.after(() => storage.close());
  using page = SharedMemory.create("doorbell", 4096);
  const sessions: BackendSession[] = [];
  const server = await BackendServer.listen(socketPath, {
    device: () => withCapabilities(new BlockDevice({ storage }), { hostNotifiers: true }),
    // A doorbell is memory: no kick is signalled, so rings are polled.
    rings: { ringMode: "poll" },
    onSession: (begun) => sessions.push(begun),
  });
  t.after(() => server.close());
  await startQemu(t, blockDeviceArguments(socketPath, "page-per-vq=on,bootindex=0"));
  await until(() => sessions[0]?.vrings[0]?.started === true, "the firmware's ring");
  const [session] = sessions;
  assert.ok(session);
  assert.ok(session.negotiation.has(ProtocolFeature.HostNotifier));
  assert.ok(session.negotiation.has(ProtocolFeature.BackendSendFd));
  await session.requests.hostNotifier(0, { fd: page.fd, offset: 0n, size: 4096n });
  // QEMU takes whole pages of its host only.
  await assert.rejects(
    session.requests.hostNotifier(0, { fd: page.fd, offset: 0n, size: 2048n }),
    RemoteError,
  );
  await session.requests.hostNotifier(0);
});
