import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync, truncateSync } from "node:fs";
import { test } from "node:test";
import { bootGuest, bootUml, type GuestResult } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { assertHeard, heardIn } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, needsProgram } from "./support/index.ts";
import { until } from "./support/net.ts";

guardLeaks();

const MIB = 1 << 20;

/** Reports on the disk itself that it runs, waits for the new size, writes to the new end. */
const script = `
  cat /sys/block/vda/size
  echo running | dd of=/dev/vda conv=fsync,notrunc 2>/dev/null
  for i in $(seq 600); do
    [ "$(cat /sys/block/vda/size)" = 65536 ] && break
    sleep 0.1
  done
  cat /sys/block/vda/size
  echo 'at the new end' | dd of=/dev/vda bs=512 seek=65535 conv=fsync,notrunc 2>/dev/null
  echo $?`;

const guests: readonly [
  string,
  string | false,
  (socketPath: string) => Promise<GuestResult>,
  string,
][] = [
  [
    "a QEMU guest sees that its disk grew, and uses what was added",
    needsGuest(),
    async (socketPath) => bootGuest({ socketPath, script }),
    "QEMU 7.2 with a Linux guest",
  ],
  [
    "User Mode Linux sees that its disk grew, and uses what was added",
    needsProgram("linux.uml", "busybox"),
    async (socketPath) => bootUml({ socketPath, deviceId: blockKind.id, script }),
    "User Mode Linux 6.1",
  ],
];

for (const [name, skip, boot, guestName] of guests) {
  test(name, { skip }, async (t) => {
    const space = new Workspace(t);
    const image = space.file("disk.img", Buffer.alloc(16 * MIB));
    const { socket, server } = await space.serve(["--image", image, "-v"]);
    const guest = boot(socket);
    await until(() => readStart(image) === "running\n", "the guest to run", 100_000);
    truncateSync(image, 32 * MIB);
    server.signal("SIGUSR1");
    const { output, console } = await guest;
    assert.equal(output, `${(16 * MIB) / 512}\n${(32 * MIB) / 512}\n0\n`, console);
    const end = readFileSync(image).subarray(32 * MIB - 512);
    assert.ok(end.toString().startsWith("at the new end\n"));
    const { code, stderr } = await server.stop("SIGTERM");
    assert.equal(code, 0);
    assertHeard("back-end", guestName, heardIn(stderr));
    assert.match(stderr, /Z now 32 MiB$/m);
    assert.match(stderr, /> VHOST_USER_BACKEND_CONFIG_CHANGE_MSG/);
  });
}

function readStart(path: string): string {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(8);
    readSync(fd, bytes, 0, 8, 0);
    return bytes.toString();
  } finally {
    closeSync(fd);
  }
}
