import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { CryptoDevice } from "../../src/endpoints/devices/crypto/index.ts";
import { EventFd, type OwnedFd, SharedMemory, UnixSocket } from "../../src/core/os/index.ts";
import {
  decodeHeader,
  FrontendRequest,
  HEADER_SIZE,
  ProtocolFeature,
  VirtioFeature,
} from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { temporaryFolder } from "./support/folder.ts";
import { RawFrontend } from "./support/raw-frontend.ts";
import { until } from "./support/session.ts";

guardLeaks();

interface Line {
  readonly from: "front-end" | "back-end";
  readonly descriptors: readonly ("socket" | "eventfd" | "file")[];
  readonly hex: string;
}

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
  const given = (kind: Line["descriptors"][number]): OwnedFd =>
    kind === "socket" ? channel : kind === "eventfd" ? event.descriptor : memory.fd;
  const raw = await RawFrontend.connect(path);
  t.after(() => raw.close());
  const lines = readFileSync(join(packageRoot, CAPTURE), "utf8")
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text) as Line);
  let sessions = 0;
  let closed = 0;
  for (const { from, descriptors, hex } of lines) {
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    if (from === "front-end") {
      if (decodeHeader(bytes).request === FrontendRequest.CloseCryptoSession) closed += 1;
      await raw.channel.sendBytes(bytes, descriptors.map(given));
      continue;
    }
    const { request } = decodeHeader(bytes);
    await until(() => raw.closed || raw.replies.length > 0, `the reply to ${request}`);
    const reply = raw.replies.shift();
    assert.equal(reply?.header.request, request);
    if (request !== FrontendRequest.CreateCryptoSession) continue;
    assert.deepEqual(reply?.payload, bytes.subarray(HEADER_SIZE));
    sessions += 1;
  }
  assert.ok(await raw.isAlive());
  assert.deepEqual([sessions, closed], [2, 2]);
  const [session] = server.sessions;
  assert.ok(session?.negotiation.has(ProtocolFeature.CryptoSession));
  assert.equal(device.crypto.size, 0, "both were closed");
  assert.deepEqual(problems, []);
});
