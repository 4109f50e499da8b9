import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import { CryptoDevice } from "../../../../../src/endpoints/devices/crypto/index.ts";
import {
  EventFd,
  type OwnedFd,
  SharedMemory,
  UnixSocket,
} from "../../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { packageRoot } from "../../../../support/package-root.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { parseCapture, RawFrontend } from "../../../../../src/lab/wire/index.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

/** QEMU 7.2 with a Linux guest, whose self-test of cbc(aes) our device passed in that run. */
const CAPTURE = "test/fixtures/captures/qemu-7.2-crypto--vhost-user.jsonl";

test("QEMU's recorded crypto sessions are made and closed as they were then", async (t) => {
  const path = join(temporaryFolder(t), "crypto.sock");
  const problems: string[] = [];
  const device = new CryptoDevice();
  const server = await BackendServer.listen(path, {
    device: () => device,
    // QEMU acknowledges no feature but the gate for this device.
    without: { virtio: VirtioFeature.Version1 },
    onProblem: ({ message }) => problems.push(message),
  });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the session to end");
  });
  using memory = SharedMemory.create("guest", 256 << 20);
  using event = EventFd.create();
  const [ours, theirs] = UnixSocket.pair();
  const channel = theirs.detach();
  t.after(() => {
    ours.close();
    channel.close();
  });
  const given = (kind: string): OwnedFd =>
    kind === "socket" ? channel : kind === "eventfd" ? event.descriptor : memory.fd;
  const raw = await RawFrontend.connect(path);
  t.after(() => raw.close());
  const messages = parseCapture(readFileSync(join(packageRoot, CAPTURE), "utf8"));
  let sessions = 0;
  let closed = 0;
  for (const { from, descriptors, header, bytes, payload } of messages) {
    const { request } = header;
    if (from === "front-end") {
      if (request === FrontendRequest.CloseCryptoSession) closed += 1;
      await raw.sendBytes(bytes, { fds: descriptors.map(given) });
      continue;
    }
    const reply = await raw.next();
    assert.ok(typeof reply === "object");
    assert.equal(reply.header.request, request);
    if (request !== FrontendRequest.CreateCryptoSession) continue;
    assert.deepEqual(reply.payload, payload);
    sessions += 1;
  }
  assert.ok(await raw.alive());
  assert.deepEqual([sessions, closed], [2, 2]);
  const [session] = server.sessions;
  assert.ok(session?.negotiation.has(ProtocolFeature.CryptoSession));
  assert.equal(device.sessions, 0, "both were closed");
  assert.deepEqual(problems, []);
});
