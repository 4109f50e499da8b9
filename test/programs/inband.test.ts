import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { BackendServer, type BackendSession } from "../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { bootUml } from "../../src/lab/programs/index.ts";
import { BackendRequest, FrontendRequest, ProtocolFeature } from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, sha256OfFile, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("linux.uml", "busybox");

test("User Mode Linux kicks by message and is called by message", { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = `${directory}/disk.sock`;
  const imagePath = diskImage(directory, 16 << 20, Buffer.from("by message\n"));
  const untouched = sha256OfFile(imagePath);
  const storage = BlockStorage.open(imagePath);
  t.after(() => storage.close());
  const counts = new Map<string, number>();
  const problems: string[] = [];
  let session: BackendSession | undefined;
  const server = await BackendServer.listen(socketPath, {
    device: () => new BlockDevice({ storage }),
    optional: ProtocolFeature.InbandNotifications,
    onSession: (begun) => (session = begun),
    onProblem: ({ message }) => problems.push(message),
    observe: (way, { header }) => {
      const key = `${way} ${header.request}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
  });
  t.after(() => server.close());
  const result = await bootUml({
    socketPath,
    deviceId: blockKind.id,
    script: `
          head -n 1 /dev/vda
          sha256sum /dev/vda | cut -d ' ' -f 1
          yes 'vhost-user' | dd of=/dev/vda bs=64k seek=16 count=64 iflag=fullblock conv=fsync 2>/dev/null
          echo 3 > /proc/sys/vm/drop_caches
          sha256sum /dev/vda | cut -d ' ' -f 1`,
  });
  const now = sha256OfFile(imagePath);
  assert.notEqual(now, untouched);
  assert.deepEqual(result.output.split("\n"), ["by message", untouched, now, ""]);
  assert.deepEqual(problems, []);
  assert.ok(session?.negotiation.has(ProtocolFeature.InbandNotifications));
  const kicks = counts.get(`received ${FrontendRequest.VringKick}`) ?? 0;
  const calls = counts.get(`sent ${BackendRequest.VringCall}`) ?? 0;
  t.diagnostic(`${kicks} kicks, ${calls} calls, ${Math.round(result.durationMs)} ms`);
  assert.ok(kicks > 10 && calls > 10);
  assert.equal(counts.get(`received ${FrontendRequest.SetVringKick}`) ?? 0, 0);
});
