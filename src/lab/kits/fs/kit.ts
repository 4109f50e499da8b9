import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { counted } from "../../../core/base/index.ts";
import { FsDevice, SharedFolder } from "../../../endpoints/devices/fs/index.ts";
import { fsKind } from "../../../endpoints/devices/fs/kind.ts";
import type { Kit } from "../../conformance/kit/kit.ts";
import type { PlayedDevice } from "../../conformance/kit/back-end/kit.ts";
import { fs } from "./checks.ts";
import { fsInodes } from "./inodes.ts";
import { openFileWitness } from "./witness.ts";

/** FUSE, as in `linux/fuse.h`. */
const INIT = 26;
const MAJOR = 7;
const MINOR = 31;
const IN_HEADER_BYTES = 40;
const INIT_IN_BYTES = 16;
const OUT_HEADER_BYTES = 16;
const OUT_ERROR_OFFSET = 4;
const INIT_OUT_BYTES = 64;

let unique = 1n;

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** The device has an empty folder. */
function play(): PlayedDevice {
  const path = mkdtempSync(join(tmpdir(), "vhost-user-conform-"));
  const folder = SharedFolder.open(path);
  return {
    device: () => new FsDevice({ folder }),
    close: () => {
      folder.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** The request is INIT: FUSE requires it before any other request, and a second one does no harm. */
export const fsKit: Kit = {
  kind: fsKind,
  rings: [0, 1],
  ring: 1,
  requestRings: (queues) => Array.from({ length: queues - 1 }, (_, i) => i + 1),
  request(memory) {
    const bytes = new Uint8Array(IN_HEADER_BYTES + INIT_IN_BYTES);
    const view = new DataView(bytes.buffer);
    const mine = unique++;
    view.setUint32(0, bytes.length, true);
    view.setUint32(4, INIT, true);
    view.setBigUint64(8, mine, true);
    view.setUint32(IN_HEADER_BYTES, MAJOR, true);
    view.setUint32(IN_HEADER_BYTES + 4, MINOR, true);
    const header = memory.poisoned(OUT_HEADER_BYTES);
    const reply = memory.poisoned(INIT_OUT_BYTES);
    return {
      readable: [memory.holding(bytes)],
      writable: [header, reply],
      // The answer has the number of this request.
      proves: "data",
      failed: () => {
        const out = viewOf(header.bytes);
        return out.getInt32(OUT_ERROR_OFFSET, true) !== 0;
      },
      wrong: (written) => {
        const out = viewOf(header.bytes);
        if (out.getBigUint64(8, true) !== mine) return "the answer to another request";
        const length = out.getUint32(0, true);
        if (length !== written)
          return `length ${length} in the answer, ${counted(written, "byte")} written`;
        // A second INIT may be answered with an error: see `failed`.
        return length >= OUT_HEADER_BYTES ? undefined : `an answer of ${counted(length, "byte")}`;
      },
    };
  },
  play,
  // VIRTIO 5.11.4
  config: { sizes: [40], fields: [0, 36], structureBytes: 44 },
  witness: openFileWitness,
  checks: [...fs, ...fsInodes],
};
