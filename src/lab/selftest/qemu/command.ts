import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onAbort } from "../../../core/base/index.ts";
import { packagePath } from "../../../core/os/index.ts";
import { ManagedProcess } from "../../programs/index.ts";
import type { TestContext } from "../context.ts";
import { expectEqual, expectThat } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { startDaemon, startQemu } from "./programs.ts";

const BYTES = 64 << 10;
const OFFSET = 1 << 20;

/** Runs the command line as a user would. */
async function run(
  context: TestContext,
  ...args: string[]
): Promise<{ code: number | null; output: string }> {
  const command = packagePath("bin", "vhost-user.js");
  const child = await ManagedProcess.spawn(process.execPath, [command, ...args]);
  context.defer(async () => child.kill());
  const ignoreSignal = onAbort(context.signal, () => child.signal("SIGTERM"));
  const { code } = await child.exited;
  ignoreSignal();
  return { code, output: child.output };
}

/** The command-line client against real programs. */
export const commandCases: readonly TestCase[] = [
  {
    title: "Command-line client finds QEMU to be a front-end",
    run: async (context) => {
      const { socket } = await startQemu(context);
      const { code, output } = await run(context, "probe", socket, "--json");
      expectEqual("exit code", code, 0);
      expectThat(output.includes('"role": "front-end"'), "the role in the document");
    },
  },
  {
    title: "Command-line client reads qemu-storage-daemon's device",
    run: async (context) => {
      const { socket } = await startDaemon(context);
      const { code, output } = await run(context, "io", "block", "id", socket);
      expectEqual("exit code", code, 0);
      expectEqual("device", output.trim(), "vhost_user_blk");
    },
  },
  {
    title: "Data written through the client is in the image",
    run: async (context) => {
      const { socket, image, daemon } = await startDaemon(context);
      const data = Uint8Array.from({ length: BYTES }, (_, at) => at * 13 + (at >> 8));
      const file = join(context.folder, "data");
      writeFileSync(file, data);
      const { code, output } = await run(
        context,
        "io",
        "block",
        "write",
        socket,
        "--offset",
        String(OFFSET),
        "--in",
        file,
      );
      expectEqual(`exit code (${output.trim()})`, code, 0);
      await daemon.stop();
      const stored = readFileSync(image).subarray(OFFSET, OFFSET + BYTES);
      expectThat(Buffer.compare(stored, data) === 0, "the same bytes in the image");
    },
  },
];
