import type { OwnedFd } from "../../../../core/os/index.ts";
import type { SharedFolder } from "./folder.ts";
import type { FsNode } from "./nodes.ts";
import { Errno } from "../errno.ts";

/** A file or folder that the driver has open. */
export interface FsHandle {
  readonly node: number;
  readonly isFolder: boolean;
  /** Open for reading. */
  readonly fd: OwnedFd;
}

/** The open files of a driver, by handle. A handle is never reused. */
export class HandleTable {
  readonly #folder: SharedFolder;
  readonly #limit: number;
  readonly #handles = new Map<number, FsHandle>();
  #nextId = 1;

  constructor(folder: SharedFolder, limit: number) {
    this.#folder = folder;
    this.#limit = limit;
  }

  get size(): number {
    return this.#handles.size;
  }

  /** Opens a node for reading; its number, or `-errno`. */
  open(node: FsNode, isFolder: boolean): number {
    if (this.size >= this.#limit) return -Errno.EMFILE;
    const fd = this.#folder.open(node.fd, isFolder);
    if (typeof fd === "number") return fd;
    const id = this.#nextId++;
    this.#handles.set(id, { node: node.id, isFolder, fd });
    return id;
  }

  /** Iterates over all files, by handle. */
  [Symbol.iterator](): IterableIterator<[number, FsHandle]> {
    return this.#handles.entries();
  }

  /** Opens a node under the number that another device gave; false if it cannot be opened. */
  restore(id: number, node: FsNode, isFolder: boolean): boolean {
    const before = this.#nextId;
    if (this.#handles.has(id)) return false;
    this.#nextId = id;
    const opened = this.open(node, isFolder);
    this.#nextId = Math.max(before, this.#nextId);
    return opened === id;
  }

  /** Returns undefined if no such handle, of another node, or of the other kind. */
  get(id: number, node: number, isFolder: boolean): FsHandle | undefined {
    const handle = this.#handles.get(id);
    return handle?.node === node && handle.isFolder === isFolder ? handle : undefined;
  }

  /** Returns whether the node is open under this number, as file or as folder. */
  has(id: number, node: number): boolean {
    return this.#handles.get(id)?.node === node;
  }

  close(id: number): void {
    const handle = this.#handles.get(id);
    if (handle === undefined) return;
    this.#handles.delete(id);
    this.#folder.release(handle.fd);
  }

  clear(): void {
    for (const id of this.#handles.keys()) this.close(id);
  }
}
