import { ProtocolError, type WaitOptions } from "../../../../core/base/index.ts";
import type { DirectoryEntry } from "../directory-entry.ts";
import type { FsDriver, FsFile } from "./driver.ts";
import { Errno } from "../errno.ts";
import { FsError } from "../fs-error.ts";
import { FUSE_ROOT_ID, type FuseAttributes, FuseInitFlag } from "../layout.ts";
import { isDots } from "../names.ts";

/** Limit on entries of one folder: the listing of a hostile device need not end. */
const MAX_ENTRIES = 1_000_000;
/** Nodes that are forgotten at once. */
const BATCH = 16;

/** A node that was found, until {@link FsTree.visit} ends. */
export interface FoundNode {
  readonly nodeid: bigint;
  readonly attr: FuseAttributes;
}

/** An entry of a folder. */
export interface ListedEntry {
  readonly name: Uint8Array;
  /** The attributes; undefined if the entry was removed between the listing and its look-up. */
  readonly attr: FuseAttributes | undefined;
}

/**
 * Access by path on top of a driver: finds, lists and reads entries, and forgets the nodes
 * afterwards. Symbolic links are not followed: their targets depend on where the file system is
 * mounted.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { FsDriver, FsTree } from "vhost-user/devices/fs";
 *
 * const client = await Client.connect("fs.sock");
 * const tree = new FsTree(await FsDriver.start(client));
 * await tree.visit([], async (root) => {
 *   for (const { name } of await tree.list(root)) console.log(Buffer.from(name).toString());
 * });
 * await client.close();
 * ```
 */
export class FsTree {
  readonly #driver: FsDriver;
  readonly #wait: WaitOptions;

  /** @param wait for each request */
  constructor(driver: FsDriver, wait: WaitOptions = {}) {
    this.#driver = driver;
    this.#wait = wait;
  }

  /**
   * Finds a path, name by name from the root, and calls `use` with it.
   *
   * @throws what the driver throws
   */
  async visit<T>(names: readonly Uint8Array[], use: (node: FoundNode) => Promise<T>): Promise<T> {
    const wait = this.#wait;
    const found: bigint[] = [];
    try {
      let node: FoundNode | undefined;
      for (const name of names) {
        node = await this.#driver.lookup(node?.nodeid ?? FUSE_ROOT_ID, name, wait);
        found.push(node.nodeid);
      }
      node ??= { nodeid: FUSE_ROOT_ID, attr: await this.#driver.getattr(FUSE_ROOT_ID, wait) };
      return await use(node);
    } finally {
      await this.#forget(found);
    }
  }

  /**
   * All entries of a folder but "." and "..", in the device's order.
   *
   * @throws what the driver throws
   * @throws {ProtocolError} the listing does not end
   */
  async list({ nodeid }: Pick<FoundNode, "nodeid">): Promise<ListedEntry[]> {
    const wait = this.#wait;
    const isPlus = (this.#driver.init.flags & FuseInitFlag.DoReaddirplus) !== 0;
    const folder = await this.#driver.opendir(nodeid, wait);
    const entries: ListedEntry[] = [];
    let listed = 0;
    try {
      for (let offset = 0n; ;) {
        const batch = isPlus
          ? await this.#readPlus(folder, offset, entries)
          : await this.#readAndLookup(folder, offset, entries);
        const last = batch.at(-1);
        if (last === undefined) return entries;
        listed += batch.length;
        if (listed > MAX_ENTRIES) {
          throw new ProtocolError(
            `folder listing: the listing does not end within ${MAX_ENTRIES} entries`,
          );
        }
        offset = last.off;
      }
    } finally {
      await quietly(this.#driver.releasedir(folder, wait));
    }
  }

  /**
   * Reads a file from its beginning to its end, one request at a time.
   *
   * @throws what the driver throws
   */
  async *read({ nodeid }: Pick<FoundNode, "nodeid">): AsyncGenerator<Uint8Array> {
    const file = await this.#driver.open(nodeid, this.#wait);
    try {
      const { readBytes } = this.#driver;
      for (let offset = 0n; ;) {
        const bytes = await this.#driver.read(file, offset, readBytes, this.#wait);
        if (bytes.length > 0) yield bytes;
        if (bytes.length < readBytes) return;
        offset += BigInt(bytes.length);
      }
    } finally {
      await quietly(this.#driver.release(file, this.#wait));
    }
  }

  async #readPlus(
    folder: FsFile,
    offset: bigint,
    entries: ListedEntry[],
  ): Promise<DirectoryEntry[]> {
    const batch = await this.#driver.readdirplus(folder, offset, this.#wait);
    const found: bigint[] = [];
    for (const { name, entry } of batch) {
      if (entry.nodeid !== 0n) found.push(entry.nodeid);
      if (isDots(name)) continue;
      const attr = entry.nodeid === 0n ? await this.#attributes(folder, name) : entry.attr;
      entries.push({ name, attr });
    }
    await this.#forget(found);
    return batch;
  }

  async #readAndLookup(
    folder: FsFile,
    offset: bigint,
    entries: ListedEntry[],
  ): Promise<DirectoryEntry[]> {
    const batch = await this.#driver.readdir(folder, offset, this.#wait);
    for (const { name } of batch) {
      if (!isDots(name)) entries.push({ name, attr: await this.#attributes(folder, name) });
    }
    return batch;
  }

  /** Looks up the attributes of an entry that was listed without them. */
  async #attributes(folder: FsFile, name: Uint8Array): Promise<FuseAttributes | undefined> {
    try {
      const { nodeid, attr } = await this.#driver.lookup(folder.nodeid, name, this.#wait);
      await this.#forget([nodeid]);
      return attr;
    } catch (error) {
      if (error instanceof FsError && error.status === Errno.ENOENT) return undefined;
      throw error;
    }
  }

  async #forget(nodes: readonly bigint[]): Promise<void> {
    for (let at = 0; at < nodes.length; at += BATCH) {
      const batch = nodes.slice(at, at + BATCH);
      await Promise.all(
        batch.map(async (nodeid) => quietly(this.#driver.forget(nodeid, 1n, this.#wait))),
      );
    }
  }
}

/** A failed FORGET means the session has ended, which forgets everything. */
async function quietly(given: Promise<void>): Promise<void> {
  try {
    await given;
  } catch {
    // The next request fails with the reason.
  }
}
