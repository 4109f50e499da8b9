import { systemCode, recordOf } from "../../../core/base/index.ts";
import { lstatSync, rmSync, type BigIntStats } from "node:fs";

export type PathRole = "socket" | "pid file" | "log" | "image" | "folder";

/** Something we made in the file system, known by more than its name. */
export interface OwnedPath {
  readonly path: string;
  readonly role: PathRole;
  readonly device: string;
  readonly inode: string;
  /** Creation time of the inode in nanoseconds, as the kernel soon reuses a freed inode number. */
  readonly born: string;
}

/** `changed`: the path leads to something else now. */
export type PathState = "ours" | "gone" | "changed";

/** Records what is at `path` as ours. Only for a path that no other process can have made. */
export function ownPath(path: string, role: PathRole): OwnedPath {
  return { path, role, ...identify(lstatSync(path, { bigint: true })) };
}

export function pathState(owned: OwnedPath): PathState {
  const now = look(owned.path);
  if (now === undefined) return "gone";
  const { device, inode, born } = identify(now);
  const same = device === owned.device && inode === owned.inode && born === owned.born;
  return same ? "ours" : "changed";
}

function look(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // Its folder is a file now.
    if (systemCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Removes it if it still is what we made, a folder with all that is in it. */
export function removeOwnedPath(owned: OwnedPath): PathState {
  const state = pathState(owned);
  if (state === "ours") rmSync(owned.path, { recursive: owned.role === "folder", force: true });
  return state;
}

/** @throws {TypeError} it is not such a record */
export function parseOwnedPath(value: unknown): OwnedPath {
  const { path, role, device, inode, born } = recordOf(value);
  if (typeof path !== "string" || !path.startsWith("/")) throw new TypeError("path");
  if (!isRole(role)) throw new TypeError("role");
  return {
    path,
    role,
    device: digits(device, "device"),
    inode: digits(inode, "inode"),
    born: digits(born, "born"),
  };
}

function digits(value: unknown, name: string): string {
  if (typeof value !== "string" || !/^\d+$/.test(value)) throw new TypeError(name);
  return value;
}

function isRole(value: unknown): value is PathRole {
  return ["socket", "pid file", "log", "image", "folder"].includes(String(value));
}

function identify({ dev, ino, birthtimeNs }: BigIntStats) {
  return { device: `${dev}`, inode: `${ino}`, born: `${birthtimeNs}` };
}
