import assert from "node:assert/strict";
import { test } from "node:test";
import { commandPath, vhostUser } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram } from "./support/index.ts";

guardLeaks();

test(
  "qemu-storage-daemon survives a session that is cut",
  { skip: needsProgram("qemu-storage-daemon") },
  async () => {
    const { code, stdout, stderr } = await vhostUser([
      "trace",
      "--torture",
      "6",
      "--exec-back-end",
      "qemu-storage-daemon --blockdev driver=null-co,node-name=disk,size=1048576 " +
        "--export type=vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path={socket}",
      "--exec-front-end",
      `'${process.execPath}' '${commandPath}' io block id {socket}`,
    ]);
    assert.match(stdout, /, 6 cuts: neither program crashed, hung or leaked$/m, stdout + stderr);
    assert.equal(code, 0);
  },
);
