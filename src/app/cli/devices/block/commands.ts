import { UsageError } from "../../../../core/base/errors/index.ts";
import { blockKind } from "../../../../endpoints/devices/block/kind.ts";
import { MAX_BLOCK_QUEUES } from "../../../../endpoints/devices/block/layout.ts";
import type { DeviceCommands } from "../device-commands.ts";

/** The commands for block devices. */
export const blockCommands: DeviceCommands = {
  kind: blockKind,
  serve: async () => (await import("./serve-command.ts")).serveBlockCommand,
  io: async () => (await import("./io-command.ts")).ioBlockCommand,
  bench: async () => (await import("./bench-command.ts")).benchBlockCommand,
  benchBackend: async () => (await import("./bench-command.ts")).benchBlockBackendCommand,
  own: {
    demo: async () => (await import("./demo-command.ts")).addDemoCommand,
    migrate: async () => (await import("./migrate-command.ts")).addMigrateCommand,
    stress: async () => (await import("./stress-command.ts")).addStressCommand,
  },
  firstRequest: async () =>
    (await import("../../../../lab/kits/block/workloads/first-read.ts")).firstRead,
  program: {
    description: "a block device over an image file",
    options: [
      { name: "blk-file", value: "path", description: "file with the disk's content" },
      { name: "read-only", description: "refuse writes" },
    ],
    async run(common, values, context) {
      const image = values.get("blk-file");
      if (typeof image !== "string") throw new UsageError("--blk-file PATH is missing");
      const readOnly = values.has("read-only") || undefined;
      const { serveBlock } = await import("./serve.ts");
      const rings = { queues: MAX_BLOCK_QUEUES, ringMode: "event", engine: "auto" } as const;
      await serveBlock({ ...common, ...rings, image, readOnly }, context);
    },
  },
};
