import { fstatSync, readlinkSync } from "node:fs";
import type { DeviceState } from "../../../backend/index.ts";
import { isRecord, ProtocolError, recordOf } from "../../../../core/base/index.ts";
import type { OwnedFd } from "../../../../core/os/index.ts";
import { FileType } from "../layout.ts";
import type { FuseServer } from "./server.ts";
import type { FsSession } from "./session.ts";
import { nameText, pathNames } from "../names.ts";

const HEAD = { format: "vhost-user device state", type: "fs", version: 1 } as const;

/**
 * The state of a file system device: the driver's nodes by id and path, and its open files. The
 * destination serves the same folder, or a copy; an entry that it lacks becomes stale for the
 * driver (ESTALE).
 */
export function fsState(server: FuseServer): DeviceState {
  return {
    async *save() {
      const { session, little } = server;
      const state = session && { little, ...saved(session) };
      yield new TextEncoder().encode(JSON.stringify({ ...HEAD, state }));
    },
    async load(from) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of from) chunks.push(chunk);
      const state = stateOf(Buffer.concat(chunks).toString());
      if (state === undefined) {
        server.end();
        return;
      }
      const { nodes, handles } = checked(state);
      // Beside the session that there is: a state that is refused changes nothing.
      const session = server.begin();
      try {
        restore(session, nodes, handles);
      } catch (error) {
        session.close();
        throw error;
      }
      server.take(session, state["little"] !== false);
    },
  };
}

function restore(session: FsSession, nodes: Checked["nodes"], handles: Checked["handles"]): void {
  for (const { id, lookups, names } of nodes) session.nodes.restore(id, lookups, names);
  for (const { id, node: nodeId, isFolder } of handles) {
    const node = session.nodes.get(nodeId);
    const wanted = isFolder ? FileType.Folder : FileType.File;
    if (node?.type === wanted) session.handles.restore(id, node, isFolder);
  }
}

function saved({ folder, nodes, handles }: FsSession): Record<string, unknown> {
  const root = pathOf(folder.root);
  const prefix = root.toString("latin1") === "/" ? root : Buffer.concat([root, Buffer.from("/")]);
  return {
    nodes: Array.from(nodes, ({ id, lookups, fd }) => [id, lookups, pathBelow(prefix, fd)]),
    handles: Array.from(handles, ([id, { node, isFolder }]) => [id, node, isFolder]),
  };
}

const pathOf = ({ fd }: OwnedFd): Buffer => readlinkSync(`/proc/self/fd/${fd}`, "buffer");

/** Empty, which leads nowhere: the file was removed, or is not below the folder any more. */
function pathBelow(prefix: Buffer, fd: OwnedFd): string {
  const path = pathOf(fd);
  const isBelow = path.subarray(0, prefix.length).equals(prefix);
  return isBelow && fstatSync(fd.fd).nlink > 0 ? pathText(path, prefix.length) : "";
}

/** Names between slashes, as text that reads back. */
function pathText(path: Buffer, start: number): string {
  const names: string[] = [];
  for (let at = start; at < path.length;) {
    const slash = path.indexOf("/", at);
    const end = slash < 0 ? path.length : slash;
    names.push(nameText(path.subarray(at, end)));
    at = end + 1;
  }
  return names.join("/");
}

function stateOf(text: string): Readonly<Record<string, unknown>> | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw notOurs("a JSON document");
  }
  const { format, type, version, state } = recordOf(document);
  if (format !== HEAD.format || type !== HEAD.type || version !== HEAD.version) {
    throw notOurs(`that of an ${HEAD.type} device, version ${HEAD.version}`);
  }
  if (state === undefined) return undefined;
  if (!isRecord(state)) throw notOurs("an object as state");
  return state;
}

interface Checked {
  readonly nodes: { id: number; lookups: number; names: readonly Uint8Array[] }[];
  readonly handles: { id: number; node: number; isFolder: boolean }[];
}

/** Checks the state, which comes from the front-end and is untrusted. */
function checked({ nodes, handles }: Record<string, unknown>): Checked {
  if (!Array.isArray(nodes) || !Array.isArray(handles)) throw notOurs("lists of nodes and handles");
  return {
    nodes: nodes.map((node: unknown) => {
      const [id, lookups, path] = listOf(node);
      if (!isNumber(id, 2) || !isNumber(lookups, 1) || typeof path !== "string") {
        throw notOurs("nodes of number, look-ups and path");
      }
      return { id, lookups, names: namesOf(path) };
    }),
    handles: handles.map((handle: unknown) => {
      const [id, node, isFolder] = listOf(handle);
      if (!isNumber(id, 1) || !isNumber(node, 1) || typeof isFolder !== "boolean") {
        throw notOurs("handles of number, node and kind");
      }
      return { id, node, isFolder };
    }),
  };
}

function namesOf(path: string): readonly Uint8Array[] {
  try {
    return pathNames(path);
  } catch (error) {
    throw notOurs(`paths inside of the folder (${String(error)})`);
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

/**
 * Returns whether a value is a valid number. Larger ones are never assigned, so sums with them stay
 * exact.
 */
function isNumber(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) < 2 ** 52;
}

function notOurs(expected: string): ProtocolError {
  return new ProtocolError(`device state: it is not ${expected}`, {
    field: "device state",
  });
}
