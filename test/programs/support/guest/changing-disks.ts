import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync, truncateSync } from "node:fs";
import type { TestContext } from "node:test";
import { assertHeard, heardIn } from "../../../coverage/heard.ts";
import { Workspace } from "../../../integration/support/index.ts";
import { killingBackend, WRITING_SCRIPT } from "../killing-guest.ts";
import type { Part } from "./machine.ts";
import { until } from "../../../support/until.ts";

const MIB = 1 << 20;
/** Long: other parts of the machine's script may come first. */
const SCRIPT_BEGINS_MS = 200_000;

/** Reports on the disk itself that it runs, waits for the new size, writes to the new end. */
export const resizeScript = (disk: string): string => `
  disk=${disk}
  cat /sys/block/$disk/size
  echo running | dd of=/dev/$disk conv=fsync,notrunc 2>/dev/null
  for i in $(seq 600); do
    [ "$(cat /sys/block/$disk/size)" = 65536 ] && break
    sleep 0.1
  done
  cat /sys/block/$disk/size
  echo 'at the new end' | dd of=/dev/$disk bs=512 seek=65535 conv=fsync,notrunc 2>/dev/null
  echo $?`;

/** A disk of `serve block` that doubles once a guest runs the script above. */
export async function growingDisk(t: TestContext) {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.alloc(16 * MIB));
  const { socket, server } = await space.serve(["--image", image, "-v"]);
  return {
    socket,
    grow: async (): Promise<void> => {
      await until(() => readStart(image) === "running\n", "the guest to run", SCRIPT_BEGINS_MS);
      truncateSync(image, 32 * MIB);
      server.signal("SIGUSR1");
    },
    /** @param guestName whose conversation is on record */
    verify: async (output: string, console: string, guestName: string): Promise<void> => {
      assert.equal(output, `${(16 * MIB) / 512}\n${(32 * MIB) / 512}\n0\n`, console);
      const end = readFileSync(image).subarray(32 * MIB - 512);
      assert.ok(end.toString().startsWith("at the new end\n"));
      const { code, stderr } = await server.stop("SIGTERM");
      assert.equal(code, 0);
      assertHeard("back-end", guestName, heardIn(stderr));
      assert.match(stderr, /Z now 32 MiB$/m);
      assert.match(stderr, /> VHOST_USER_BACKEND_CONFIG_CHANGE_MSG/);
    },
  };
}

/** A disk that grows while the guest has it. */
export async function resizedDisk(t: TestContext, name: string): Promise<Part> {
  const { socket, grow, verify } = await growingDisk(t);
  return {
    name,
    modules: ["virtio_blk"],
    deviceArguments: [
      ["-chardev", `socket,id=disk,path=${socket}`],
      ["-device", "vhost-user-blk-pci,chardev=disk"],
    ].flat(),
    script: resizeScript("$(disk $PCI)"),
    beside: grow,
    verify: async (_t, { output, console }) =>
      verify(output, console, "QEMU 7.2 with a Linux guest"),
  };
}

/** A disk whose back-end is killed while the guest writes. */
export async function killedDisk(t: TestContext, name: string): Promise<Part> {
  const backend = await killingBackend(t, 5, ["--fault", "late-completions=200"]);
  let replays = 0;
  return {
    name,
    modules: ["virtio_blk"],
    deviceArguments: [
      ["-chardev", `socket,id=disk,path=${backend.socket},reconnect=1`],
      ["-device", "vhost-user-blk-pci,chardev=disk,num-queues=1,packed=on"],
    ].flat(),
    script: `disk=$(disk $PCI)\n${WRITING_SCRIPT}`,
    beside: async () => {
      replays = await backend.killAll(SCRIPT_BEGINS_MS);
    },
    verify: (own, { output }) => {
      backend.verify(own, output);
      own.diagnostic(`${replays} kills with requests in flight`);
      assert.ok(replays > 0, "no kill came in the middle of a request");
    },
  };
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
