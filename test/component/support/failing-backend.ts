/**
 * A block back-end as a process of its own that fails in a way of its own for each unknown request:
 *
 *     node failing-backend.js SOCKET
 *
 * 200: dies by SIGSEGV. 0: hangs, for ever and for all clients. 0xffffffff: says what the C library
 * says of a failed assertion, and goes on.
 */
import { BackendServer } from "../../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../src/endpoints/storage/index.ts";
import type { Channel, FrameHandler } from "../../../src/core/transport/index.ts";

const [path = ""] = process.argv.slice(2);
const storage = BlockStorage.memory(1 << 20);

function fail(request: number): void {
  if (request === 200) process.kill(process.pid, "SIGSEGV");
  if (request === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (request === 0xffff_ffff) process.stderr.write("backend.c:1: main: Assertion `0' failed.\n");
}

await BackendServer.listen(path, {
  device: () => new BlockDevice({ storage }),
  channel: (channel: Channel) =>
    new Proxy(channel, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== "onFrame") return typeof value === "function" ? value.bind(target) : value;
        return (handler: FrameHandler) =>
          target.onFrame((frame) => {
            fail(frame.header.request);
            return handler(frame);
          });
      },
    }),
});
