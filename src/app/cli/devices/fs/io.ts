import { fsType } from "../../../../endpoints/devices/fs/type.ts";
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { ProtocolError, UsageError } from "../../../../core/base/index.ts";
import {
  FileType,
  type FoundNode,
  FsDriver,
  FsError,
  FsTree,
  type FuseAttributes,
  nameText,
  pathNames,
  S_IFMT,
} from "../../../../endpoints/devices/fs/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { makeUserFile } from "../../files.ts";
import { formatSize } from "../../units.ts";
import { type RequestOptions, withDriverOf } from "../../commands/io/common.ts";

/** One request after another, and few of them for a large file. */
const DEPTH = 4;
const TRANSFER_BYTES = 1 << 20;

interface JsonOptions extends RequestOptions {
  readonly json?: true | undefined;
}

export interface CatOptions extends RequestOptions {
  readonly out?: string | undefined;
  readonly force?: true | undefined;
}

export async function ls(
  socket: string,
  path: string,
  options: JsonOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  await withTree(socket, path, options, context, async (node, { tree, names }) => {
    const isFolder = (node.attr.mode & S_IFMT) === FileType.Folder;
    const own = names.at(-1) ?? new Uint8Array();
    const entries = isFolder ? await tree.list(node) : [{ name: own, attr: node.attr }];
    entries.sort((a, b) => Buffer.compare(a.name, b.name));
    if (options.json) {
      const listed = entries.map(({ name, attr }) => ({
        name: nameText(name),
        ...(attr && jsonOf(attr)),
      }));
      output.json({ schemaVersion: 1, kind: "io-fs-ls", socket, path, entries: listed });
      return;
    }
    const width = Math.max(...entries.map(({ attr }) => String(attr?.size ?? "").length), 1);
    for (const { name, attr } of entries) {
      const size = String(attr?.size ?? "").padStart(width);
      const facts = attr ? `${modeText(attr.mode)} ${size} ${timeText(attr.mtime)}` : "gone";
      output.print(`${facts} ${nameText(name)}`);
    }
  });
}

export async function cat(
  socket: string,
  path: string,
  options: CatOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  await withTree(socket, path, options, context, async (node, { tree, target }) => {
    if (target !== undefined) {
      throw new UsageError(
        `${path} is a symbolic link to ${nameText(target)}; name the file that it leads to`,
      );
    }
    const chunks = tree.read(node);
    if (options.out !== undefined) {
      const bytes = await save(options.out, chunks, options.force === true);
      output.note(`${formatSize(bytes)} of ${path} saved to ${options.out}`);
      return;
    }
    for await (const chunk of chunks) if (!(await output.stream(chunk))) return;
  });
}

export async function stat(
  socket: string,
  path: string,
  options: JsonOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  await withTree(socket, path, options, context, async ({ attr }, { target }) => {
    const link = target && { target: nameText(target) };
    if (options.json) {
      output.json({ schemaVersion: 1, kind: "io-fs-stat", socket, path, ...jsonOf(attr), ...link });
      return;
    }
    for (const [name, value] of Object.entries({ path, ...jsonOf(attr), ...link })) {
      output.print(`${name.padEnd(8)} ${value}`);
    }
  });
}

interface Visit {
  readonly tree: FsTree;
  readonly names: readonly Uint8Array[];
  /** The target of the path, if it is a symbolic link. */
  readonly target: Uint8Array | undefined;
}

async function withTree(
  socket: string,
  path: string,
  options: RequestOptions,
  context: Context,
  use: (node: FoundNode, visit: Visit) => Promise<void>,
): Promise<void> {
  const names = pathNames(path);
  const wait = { timeoutMs: options.ioTimeout, signal: context.signal };
  const sizes = { depth: DEPTH, transferBytes: TRANSFER_BYTES };
  await withDriverOf(
    { socket, options, context, device: fsType },
    async (client) => onPath(path, FsDriver.start(client, { wait, ...sizes })),
    async (driver) => {
      const tree = new FsTree(driver, wait);
      const visit = tree.visit(names, async (node) => {
        const isLink = (node.attr.mode & S_IFMT) === FileType.Link;
        const target = isLink ? await driver.readlink(node.nodeid, wait) : undefined;
        await use(node, { tree, names, target });
      });
      await onPath(
        path,
        visit.then(async () => driver.destroy(wait)),
      );
    },
  );
}

/**
 * The handshake is over: a refusal or a wrong answer of the device is a failed request. Its nodes
 * have numbers; the user knows the path.
 */
async function onPath<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof FsError || error instanceof ProtocolError)) throw error;
    throw new CommandError(ExitCode.Failed, `${path}: ${error.message}`, { cause: error });
  }
}

/** Saves a file and returns the number of bytes. After a failure the new file is removed. */
async function save(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  overwrite: boolean,
): Promise<number> {
  let fd: number | undefined;
  // Not before there is something to put into it.
  const open = (): number => makeUserFile(path, overwrite, (flag) => openSync(path, flag));
  let bytes = 0;
  let isWhole = false;
  try {
    for await (const chunk of chunks) {
      fd ??= open();
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      bytes += chunk.length;
    }
    fd ??= open();
    isWhole = true;
    return bytes;
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
      if (!isWhole && !overwrite) unlinkSync(path);
    }
  }
}

const TYPES = new Map<number, readonly [letter: string, word: string]>([
  [FileType.Fifo, ["p", "fifo"]],
  [FileType.Character, ["c", "character device"]],
  [FileType.Folder, ["d", "folder"]],
  [FileType.Block, ["b", "block device"]],
  [FileType.File, ["-", "file"]],
  [FileType.Link, ["l", "symbolic link"]],
  [FileType.Socket, ["s", "socket"]],
]);

function jsonOf(attr: FuseAttributes): Record<string, string | number | bigint> {
  return {
    type: TYPES.get(attr.mode & S_IFMT)?.[1] ?? "unknown",
    mode: (attr.mode & 0o7777).toString(8).padStart(4, "0"),
    size: attr.size,
    links: attr.nlink,
    uid: attr.uid,
    gid: attr.gid,
    ino: attr.ino,
    accessed: timeText(attr.atime),
    modified: timeText(attr.mtime),
    changed: timeText(attr.ctime),
  };
}

/** Like `ls -l` has it. */
function modeText(mode: number): string {
  const type = TYPES.get(mode & S_IFMT)?.[0] ?? "?";
  const bits = Array.from({ length: 9 }, (_, i) =>
    (mode & (0o400 >> i)) === 0 ? "-" : ("rwx"[i % 3] ?? ""),
  );
  const special = [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ] as const;
  for (const [bit, at, letter] of special) {
    if ((mode & bit) !== 0) bits[at] = bits[at] === "-" ? letter.toUpperCase() : letter;
  }
  return type + bits.join("");
}

/** @param seconds two's complement; a hostile device may say any number */
function timeText(seconds: bigint): string {
  const ms = Number(BigInt.asIntN(64, seconds)) * 1000;
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString().replace(/\.\d+/, "") : `${seconds} s`;
}
