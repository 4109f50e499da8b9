import type { SharedFolder } from "./folder.ts";
import { HandleTable } from "./handles.ts";
import { NodeTable } from "./nodes.ts";

/** Bounds of one session. */
export interface FsLimits {
  /** Limit on entries that a driver has looked up and not forgotten. */
  readonly maxNodes: number;
  /** Files and folders that it may have open. */
  readonly maxHandles: number;
}

/** A FUSE session, from INIT to DESTROY or the next INIT. */
export class FsSession {
  readonly folder: SharedFolder;
  readonly nodes: NodeTable;
  readonly handles: HandleTable;

  constructor(folder: SharedFolder, { maxNodes, maxHandles }: FsLimits) {
    this.folder = folder;
    this.nodes = new NodeTable(folder, maxNodes);
    this.handles = new HandleTable(folder, maxHandles);
  }

  close(): void {
    this.handles.clear();
    this.nodes.clear();
  }
}
