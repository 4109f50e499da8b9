import { existsSync } from "node:fs";
import { join } from "node:path";
import { wordsInTree } from "../../../src/lab/programs/index.ts";
import { qemu } from "../../programs/support/conform.ts";

const MAKE_ROOT =
  "as root: debootstrap --variant=minbase trixie ROOT && chroot ROOT apt-get install -y " +
  "--no-install-recommends qemu-system-x86 qemu-utils qemu-block-extra virtiofsd passt nbdkit && " +
  "VHOST_USER_PEERS_ROOT=ROOT npm run test:newer-programs";
/** The root folder of the tree. */
export const root = process.env["VHOST_USER_PEERS_ROOT"];

/** For a test's `skip`: false when the tree of Debian 13 has the program, else the reason. */
export function needsInTree(path: string): string | false {
  if (root === undefined) return `VHOST_USER_PEERS_ROOT names no tree; ${MAKE_ROOT}`;
  return existsSync(join(root, path)) ? false : `${join(root, path)} is missing; ${MAKE_ROOT}`;
}

/** The words that start a program of the tree. @param variables `NAME=value` */
export function treeWords(path: string, ...variables: readonly string[]): string[] {
  const tree = root ?? "/";
  return ["env", ...variables, ...wordsInTree(tree, join(tree, path))];
}

/** The part of a command line that starts a program of the tree. @param variables `NAME=value` */
export function inTree(path: string, ...variables: readonly string[]): string {
  return treeWords(path, ...variables)
    .map((word) => `'${word}'`)
    .join(" ");
}

/** Where QEMU of the tree has its modules. */
export const MODULES = "usr/lib/x86_64-linux-gnu/qemu";

/** QEMU of the tree, with its modules and its firmware. See {@link qemu} for `reconnect`. */
export function qemuInTree(more: string, reconnect = true): string {
  const inRoot = (path: string): string => join(root ?? "/", path);
  const modules = `QEMU_MODULE_DIR=${inRoot(MODULES)}`;
  const firmware = ["usr/share/qemu", "usr/share/seabios"].map((path) => `-L '${inRoot(path)}'`);
  return qemu(
    more,
    [inTree("usr/bin/qemu-system-x86_64", modules), ...firmware].join(" "),
    reconnect,
  );
}
