import { RngDevice } from "../../../endpoints/devices/rng/index.ts";
import { rngKind } from "../../../endpoints/devices/rng/kind.ts";
import type { Kit } from "../../conformance/kit/kit.ts";
import { rng } from "./checks.ts";
import { unwrittenAt } from "./unwritten.ts";

const BUFFER_BYTES = 64;

/**
 * The request asks for random bytes. Its effect is seen in the buffer itself: every byte that the
 * device reports must have been written. The device keeps no data, so no other request sees it.
 */
export const rngKit: Kit = {
  kind: rngKind,
  rings: [0],
  ring: 0,
  requestRings: () => [0],
  request(memory, scale = 1) {
    const buffer = memory.poisoned(BUFFER_BYTES * scale);
    return {
      readable: [],
      writable: [buffer],
      wrong(written) {
        if (written === 0) return "no random bytes";
        const at = unwrittenAt(buffer.bytes.subarray(0, written));
        return at === undefined ? undefined : `byte ${at} of ${written} was not written`;
      },
    };
  },
  play: () => ({ device: () => new RngDevice(), close: () => undefined }),
  checks: rng,
};
