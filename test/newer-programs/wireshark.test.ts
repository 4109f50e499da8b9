import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { SessionDecoder } from "../../src/lab/trace/index.ts";
import { assertDissected, exchanges } from "../programs/support/dissected.ts";
import { needsRoot } from "../programs/support/index.ts";
import { Tshark } from "../programs/support/tshark.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

const root = process.env["VHOST_USER_PEERS_ROOT"];
/** As root it would ignore the script. */
const UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

function needsTshark(): string | false {
  if (root === undefined) return "VHOST_USER_PEERS_ROOT names no tree of Debian 13";
  if (!existsSync(join(root, "usr/bin/tshark"))) return `tshark is not installed in ${root}`;
  return needsRoot();
}

test(
  "tshark of Debian 13, with Lua 5.4, decodes every request of both directions",
  { skip: needsTshark() },
  (t) => {
    const folder = mkdtempSync(join(root ?? "/", "tmp", "wireshark-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    const expected = exchanges();
    const { state } = new SessionDecoder({ session: 0 });
    const program = ["chroot", root ?? "/", ...UNPRIVILEGED, "env", "HOME=/nonexistent", "tshark"];
    const place = { folder, shown: join("/tmp", basename(folder)) };
    const tshark = new Tshark(
      t,
      (writer) => {
        for (const { event } of expected) writer.event(event, state);
      },
      program,
      place,
    );
    assertDissected(tshark.frames(), expected);
  },
);
