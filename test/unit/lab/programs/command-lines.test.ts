import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import {
  qemuNetArguments,
  storageDaemonArguments,
  testpmdArguments,
  virtiofsdArguments,
} from "../../../../src/lab/programs/index.ts";
import { missingProgramMessage } from "../../../../src/lab/programs/process/programs.ts";

test("the storage daemon exports one image on one socket", () => {
  assert.deepEqual(
    storageDaemonArguments({
      socketPath: "/run/a,b.sock",
      imagePath: "/d.img",
      queues: 4,
      logicalBlockSize: 4096,
      extraArguments: ["--trace", "vhost_user_*"],
    }),
    [
      "--blockdev",
      "driver=file,node-name=disk0,filename=/d.img,discard=unmap",
      "--export",
      "type=vhost-user-blk,id=export0,node-name=disk0,addr.type=unix,addr.path=/run/a,,b.sock,writable=on,num-queues=4,logical-block-size=4096",
      "--trace",
      "vhost_user_*",
    ],
  );
});

test("a read-only export opens its image read-only, too", () => {
  const [, node, , exported] = storageDaemonArguments({
    socketPath: "/s",
    imagePath: "/d",
    writable: false,
  });
  assert.match(node ?? "", /,read-only=on$/);
  assert.match(exported ?? "", /,writable=off,/);
});

test("virtiofsd stays in the foreground", () => {
  assert.deepEqual(virtiofsdArguments({ socketPath: "/s", sharedDirectory: "/d" }), [
    "-f",
    "--socket-path=/s",
    "-o",
    "source=/d",
    "-o",
    "sandbox=namespace",
  ]);
});

test("QEMU's memory can be mapped by the back-end, and its card has a vector per queue", () => {
  const single = qemuNetArguments({ socketPath: "/s" }).join(" ");
  assert.match(single, /-object memory-backend-memfd,id=memory0,size=64M,share=on /);
  assert.match(single, /-machine q35,memory-backend=memory0 /);
  assert.match(single, /-chardev socket,id=char0,path=\/s,server=on,wait=off /);
  assert.match(single, /-device virtio-net-pci,netdev=net0,romfile=$/);
  const pairs = qemuNetArguments({ socketPath: "/s", queuePairs: 4, netOptions: "packed=on" });
  assert.match(pairs.join(" "), /queues=4 -device \S+,mq=on,vectors=10,packed=on$/);
});

test("testpmd plays either role without huge pages and under a name of its own", () => {
  const backend = testpmdArguments({ socketPath: "/s", role: "backend" }, "one").join(" ");
  assert.match(backend, /--no-huge .* --file-prefix=one --vdev net_vhost0,iface=\/s,queues=1 -- /);
  const frontend = testpmdArguments(
    { socketPath: "/s", role: "frontend", queuePairs: 2, deviceOptions: "packed_vq=1" },
    "two",
  ).join(" ");
  assert.match(
    frontend,
    /--vdev net_virtio_user0,path=\/s,queues=2,packed_vq=1 -- .*--rxq=2 --txq=2/,
  );
  assert.throws(() => testpmdArguments({ socketPath: "/a,b", role: "backend" }, "x"), UsageError);
});

test("a missing program's message names the Debian package that has it", () => {
  assert.match(
    missingProgramMessage("qemu-storage-daemon"),
    /^qemu-storage-daemon not found; to install it:\n(.*\n)*.*Debian\/Ubuntu: sudo apt-get install -y qemu-system-common$/m,
  );
  assert.match(missingProgramMessage("frobnicate"), /^the program frobnicate was not found/);
});
