import { UsageError } from "../../../../core/base/errors/index.ts";
import { fsKind } from "../../../../endpoints/devices/fs/kind.ts";
import type { DeviceCommands } from "../device-commands.ts";

/** The commands for file system devices. */
export const fsCommands: DeviceCommands = {
  kind: fsKind,
  serve: async () => (await import("./serve-command.ts")).serveFsCommand,
  io: async () => (await import("./io-command.ts")).ioFsCommand,
  program: {
    description: "a file system over a folder, read-only",
    options: [{ name: "shared-dir", value: "path", description: "shared folder" }],
    async run(common, values, context) {
      const dir = values.get("shared-dir");
      if (typeof dir !== "string") throw new UsageError("--shared-dir FOLDER is missing");
      const { serveFs } = await import("./serve.ts");
      await serveFs({ ...common, dir, tag: "shared", queues: 1 }, context);
    },
  },
};
