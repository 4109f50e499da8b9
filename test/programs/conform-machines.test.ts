/** Conformance of emulated machines, and of DPDK, which polls. */
import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import { netKind } from "../../src/endpoints/devices/net/kind.ts";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { findUmlKernel, ownProcessNamespace, umlArguments } from "../../src/lab/programs/index.ts";
import { buildInitramfs } from "../../src/lab/programs/guest/initramfs.ts";
import { guardLeaksOfFile } from "../support/leak-guard.ts";
import {
  judged,
  judgedFrontend,
  qemu,
  QEMU_NET,
  SLOW,
  testpmd,
  unexpected,
} from "./support/conform.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaksOfFile();

/** What User Mode Linux does in a way of its own; each starts a kernel. */
const OF_UML = "fe/3 fe/5 fe/10 fe/14 fe/22 fe/30 fe/32 fe/33 fe/34 fe/61 fe/62".split(" ");
/** The guest switches the write cache of its disk, where the disk lets it. */
const SWITCH_CACHE = "echo 'write through' > /sys/block/vda/cache_type; sleep 1000";

// Each starts its program many times, and waits for it.
describe("machines and DPDK", { concurrency: 3 }, () => {
  test(
    "DPDK's net_vhost is judged as its baseline says",
    { skip: needsRoot() || needsProgram("dpdk-testpmd") },
    async (t) => {
      const results = await judged(t, netKind, testpmd(), { shell: true });
      assert.deepEqual(unexpected(results, "dpdk-22.11"), []);
    },
  );

  test(
    "DPDK's net_vhost behind an IOMMU passes",
    { skip: needsRoot() || needsProgram("dpdk-testpmd") },
    async (t) => {
      const only = { shell: true, only: ["iotlb"] };
      const results = await judged(t, netKind, testpmd(",iommu-support=1"), only);
      assert.deepEqual(unexpected(results, "dpdk-22.11"), []);
      assert.ok(results.some(({ id, verdict }) => id === "iotlb/6" && verdict === "PASS"));
    },
  );

  test(
    "QEMU's network card passes, as its boot ROM drives it",
    { skip: needsProgram("qemu-system-x86_64") },
    async () => {
      const results = await judgedFrontend(netKind, qemu(QEMU_NET), { except: SLOW });
      assert.deepEqual(unexpected(results, "qemu-7.2"), []);
      assert.ok(results.some(({ id, verdict }) => id === "fe/19" && verdict === "PASS"));
    },
  );

  test(
    "User Mode Linux is judged as its baseline says",
    { skip: needsProgram("linux.uml", "busybox") },
    async (t) => {
      const directory = temporaryDirectory(t);
      const kernel = findUmlKernel();
      const initramfs = buildInitramfs({
        script: SWITCH_CACHE,
        modules: ["virtio_blk"],
        kernel,
      });
      writeFileSync(join(directory, "initramfs"), initramfs);
      const where = { socketPath: "{socket}", deviceId: 2, memoryMiB: 64 };
      const words = [...ownProcessNamespace(), kernel.imagePath, ...umlArguments(where, directory)];
      // Its memory is a file there; its second serial line is descriptor 3.
      const command = `TMPDIR={dir} exec ${words.join(" ")} 3>/dev/null`;
      const results = await judgedFrontend(blockKind, command, { shell: true, only: OF_UML });
      assert.deepEqual(unexpected(results, "uml-6.1"), []);
      const passed = results.filter(({ verdict }) => verdict === "PASS").map(({ id }) => id);
      for (const id of ["fe/14", "fe/32", "fe/33"]) assert.ok(passed.includes(id), id);
    },
  );
});
