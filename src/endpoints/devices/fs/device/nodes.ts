import { type BigIntStats, fstatSync } from "node:fs";
import type { OwnedFd } from "../../../../core/os/index.ts";
import type { SharedFolder } from "./folder.ts";
import { Errno } from "../errno.ts";
import { FUSE_ROOT_ID, S_IFMT } from "../layout.ts";

/** A file, folder or anything else that the driver has looked up and not forgotten. */
export interface FsNode {
  readonly id: number;
  /** Names it; not open for anything. */
  readonly fd: OwnedFd;
  /** Type bits of its mode; an inode never changes them. */
  readonly type: number;
  /** Device and inode: what makes it the same under another name. */
  readonly key: string;
  /** Number of look-ups that were not forgotten yet. */
  lookups: number;
}

const ROOT = Number(FUSE_ROOT_ID);

/**
 * The entries of the tree that a driver has looked up, by node id. A node id is never reused; the
 * descriptor of each node keeps the kernel from reusing its inode number.
 */
export class NodeTable {
  readonly #folder: SharedFolder;
  readonly #limit: number;
  readonly #byId = new Map<number, FsNode>();
  readonly #byKey = new Map<string, FsNode>();
  #nextId = ROOT + 1;

  /** @param limit nodes besides the root */
  constructor(folder: SharedFolder, limit: number) {
    this.#folder = folder;
    this.#limit = limit;
    const { root: fd } = folder;
    const stats = fstatSync(fd.fd, { bigint: true });
    const type = Number(stats.mode) & S_IFMT;
    this.#add({ id: ROOT, fd, type, key: keyOf(stats), lookups: 1 });
  }

  /** Nodes besides the root. */
  get size(): number {
    return this.#byId.size - 1;
  }

  get(id: number): FsNode | undefined {
    return this.#byId.get(id);
  }

  /** Finds a name in a folder and counts that; `-errno` where it is not found. */
  find(parent: FsNode, name: Uint8Array): { node: FsNode; stats: BigIntStats } | number {
    const fd = this.#folder.find(parent.fd, name);
    if (typeof fd === "number") return fd;
    let keep = false;
    try {
      const stats = fstatSync(fd.fd, { bigint: true });
      const key = keyOf(stats);
      let node = this.#byKey.get(key);
      if (node === undefined) {
        if (this.size >= this.#limit) return -Errno.ENFILE;
        const type = Number(stats.mode) & S_IFMT;
        node = this.#add({ id: this.#nextId++, fd, type, key, lookups: 0 });
        keep = true;
      }
      node.lookups += 1;
      return { node, stats };
    } finally {
      if (!keep) this.#folder.release(fd);
    }
  }

  /** Iterates over all nodes except the root. */
  *[Symbol.iterator](): Generator<FsNode> {
    for (const node of this.#byId.values()) if (node.id !== ROOT) yield node;
  }

  /**
   * Takes a node over that another device has numbered, by the names that lead to it from the root.
   * Returns false if it is not there any more, is known already, or one too many.
   */
  restore(id: number, lookups: number, names: readonly Uint8Array[]): boolean {
    if (this.#byId.has(id) || this.size >= this.#limit) return false;
    let at = this.#folder.root;
    for (const name of names) {
      const next = this.#folder.find(at, name);
      if (at !== this.#folder.root) this.#folder.release(at);
      if (typeof next === "number") return false;
      at = next;
    }
    const stats = fstatSync(at.fd, { bigint: true });
    const key = keyOf(stats);
    if (this.#byKey.has(key)) {
      if (at !== this.#folder.root) this.#folder.release(at);
      return false;
    }
    this.#add({ id, fd: at, type: Number(stats.mode) & S_IFMT, key, lookups });
    this.#nextId = Math.max(this.#nextId, id + 1);
    return true;
  }

  /** Takes back `count` finds; the driver may not name what it has forgotten. */
  forget(id: number, count: number): void {
    const node = this.#byId.get(id);
    if (node === undefined || id === ROOT) return;
    node.lookups -= count;
    if (node.lookups <= 0) this.#remove(node);
  }

  /** Forgets all but the root. */
  clear(): void {
    for (const node of this.#byId.values()) if (node.id !== ROOT) this.#remove(node);
  }

  #add(node: FsNode): FsNode {
    this.#byId.set(node.id, node);
    this.#byKey.set(node.key, node);
    return node;
  }

  #remove(node: FsNode): void {
    this.#byId.delete(node.id);
    this.#byKey.delete(node.key);
    this.#folder.release(node.fd);
  }
}

function keyOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
