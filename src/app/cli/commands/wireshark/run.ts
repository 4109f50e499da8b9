import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../../../core/base/index.ts";
import { DISSECTOR_MARK, wiresharkDissector } from "../../../../lab/wireshark/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { makeUserFolder, withUserFile } from "../../files.ts";
import { version } from "../../version.ts";

export interface WiresharkOptions extends CommonOptions {
  readonly print?: true | undefined;
  readonly install?: true | undefined;
  readonly directory?: string | undefined;
}

const FILE = "vhost-user.lua";

/** Prints the dissector, or puts it into a folder of Wireshark's plugins. */
export function runWireshark(options: WiresharkOptions, { output }: Context): void {
  const { print, install, directory } = options;
  if (!print && !install)
    throw new UsageError("wireshark needs --print or --install; add one of them");
  if (print && directory !== undefined) {
    throw new UsageError("--print and --directory cannot be combined: --install uses the folder");
  }
  const dissector = wiresharkDissector(version());
  if (print) return output.bytes(Buffer.from(dissector));
  const folder = directory ?? join(homedir(), ".local/lib/wireshark/plugins");
  makeUserFolder(folder);
  const path = join(folder, FILE);
  expectOurs(path);
  replaceFile(path, dissector);
  output.print(`installed: ${path}`);
  if (directory === undefined && process.getuid?.() === 0) {
    output.note("Wireshark as root may not load it: its init.lua has to allow that");
  }
}

/** @throws {UsageError} the file exists and was not installed by this command */
function expectOurs(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const isOurs =
    stat.isFile() &&
    withUserFile(path, "the dissector", "choose another path", () =>
      readFileSync(path, "utf8").startsWith(DISSECTOR_MARK),
    );
  if (isOurs) return;
  throw new UsageError(
    `${path} exists and is not a dissector of this package; it was not changed: remove it, or name another folder with --directory`,
  );
}

/** Wireshark sees the old file or the new one, never a part. */
function replaceFile(path: string, content: string): void {
  const draft = `${path}.${process.pid}`;
  withUserFile(path, "the dissector", "choose another folder with --directory", () => {
    try {
      writeFileSync(draft, content, { flag: "wx" });
      renameSync(draft, path);
    } finally {
      rmSync(draft, { force: true });
    }
  });
}
