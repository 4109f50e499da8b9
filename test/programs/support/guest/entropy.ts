import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Running, Workspace } from "../../../integration/support/index.ts";
import { packageRoot } from "../../../support/package-root.ts";
import type { Part } from "./machine.ts";

/** The entropy device of the examples. */
export async function entropyOfExamples(t: TestContext, name: string): Promise<Part> {
  const program = [process.execPath, join(packageRoot, "dist", "examples", "entropy", "serve.js")];
  return entropySource(t, name, (space, socket) => space.start([socket], { program }));
}

/** The entropy device of the command. */
export async function servedEntropy(t: TestContext, name: string): Promise<Part> {
  const limit = ["--max-bytes", "1M", "--period", "1s"];
  return entropySource(t, name, (space, socket) =>
    space.start(["serve", "rng", "--socket", socket, ...limit]),
  );
}

async function entropySource(
  t: TestContext,
  name: string,
  start: (space: Workspace, socket: string) => Running,
): Promise<Part> {
  const space = new Workspace(t);
  const socket = space.path("entropy.sock");
  const server = start(space, socket);
  await server.printed(/listening on /);
  return {
    name,
    modules: ["virtio_rng"],
    deviceArguments: [
      ["-chardev", `socket,id=rng,path=${socket}`],
      ["-device", "vhost-user-rng-pci,chardev=rng"],
    ].flat(),
    script: `
      n=0
      for place in /sys/bus/pci/devices/*; do
        [ "\${place##*/}" = "$PCI" ] && break
        [ "$(cat $place/virtio*/device 2>/dev/null)" = 0x0004 ] && n=$((n + 1))
      done
      echo virtio_rng.$n > /sys/class/misc/hw_random/rng_current
      cat /sys/class/misc/hw_random/rng_current
      for i in 1 2; do
        dd if=/dev/hwrng bs=32 count=1 iflag=fullblock 2>/dev/null | od -v -An -tx1 | tr -d ' \\n'; echo
      done
      dd if=/dev/hwrng bs=4096 count=16 iflag=fullblock 2>/dev/null | wc -c`,
    verify: async (_t, { output, exitCode, console }) => {
      assert.equal(exitCode, 0, console);
      const [source, first = "", second = "", count] = output.split(/\r?\n/);
      assert.match(source ?? "", /^virtio_rng\.\d$/);
      assert.match(first, /^[0-9a-f]{64}$/);
      assert.match(second, /^[0-9a-f]{64}$/);
      assert.notEqual(first, second);
      assert.equal(Number(count), 16 * 4096);
      assert.equal((await server.stop("SIGTERM")).code, 0);
    },
  };
}
