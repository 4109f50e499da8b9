// vhost-user conform SOCKET --device ./kit.js: what the conformance suite must know of the device.
import type { Check, CheckContext, Kit, KitRequest } from "vhost-user/conformance";
import { EntropyDevice } from "./device.ts";
import { entropyKind } from "./kind.ts";

const BUFFER_BYTES = 64;

/** A request for random bytes; only the bytes that the device reports may have changed. */
function request(memory: Parameters<Kit["request"]>[0], scale = 1): KitRequest {
  const buffer = memory.poisoned(BUFFER_BYTES * scale);
  const before = buffer.bytes.slice();
  return {
    readable: [],
    writable: [buffer],
    wrong(written) {
      if (written === 0) return "no bytes written";
      const rest = buffer.bytes.subarray(written);
      if (Buffer.compare(rest, before.subarray(written)) !== 0) return "more bytes than reported";
      const same = Buffer.compare(buffer.bytes.subarray(0, written), before.subarray(0, written));
      return same === 0 && written >= 16 ? "a buffer that did not change" : undefined;
    },
  };
}

async function randomBytes(t: CheckContext): Promise<Uint8Array> {
  const { ring, memory } = await t.bringUp();
  const buffer = memory.poisoned(BUFFER_BYTES);
  ring.push([], [buffer]);
  const { written } = await ring.expectCompletion("a request for random bytes");
  return buffer.bytes.slice(0, written);
}

const NEEDS = { device: [entropyKind.name] };

const checks: readonly Check[] = [
  {
    id: "entropy/1",
    title: "a request gets at least one byte, and no more than its room",
    strength: "MUST",
    section: "VIRTIO 5.4.6.2",
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      for (const length of [1, BUFFER_BYTES, 1 << 16]) {
        ring.push([], [memory.poisoned(length)]);
        const { length: used } = await ring.expectCompletion(`${length} bytes`);
        t.expectThat("used length", used >= 1 && used <= length, `1 to ${length}`, used);
      }
    },
  },
  {
    id: "entropy/2",
    title: "two requests get different bytes",
    strength: "MUST",
    section: "VIRTIO 5.4.6.2",
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const [first, second] = [await randomBytes(t), await randomBytes(t)];
      if (first.length < 16 || second.length < 16) t.skip("fewer than 16 bytes may be equal");
      const different = Buffer.compare(first, second) !== 0;
      t.expectThat("the bytes of the second request", different, "new bytes", "the same bytes");
    },
  },
  {
    id: "entropy/3",
    title: "a request without room does no harm",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.4.6.1",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory, session } = await t.bringUp();
      ring.push([memory.holding(new Uint8Array(BUFFER_BYTES))], []);
      await ring.completion(t.times.graceMs);
      await t.survive(session, memory);
    },
  },
];

/** The kit of entropy devices. */
const kit: Kit = {
  kind: entropyKind,
  rings: [0],
  ring: 0,
  requestRings: () => [0],
  request,
  checks,
  // For front-ends: conform --front-end --device ./kit.js
  play: () => ({ device: () => new EntropyDevice(), close: () => undefined }),
};
export default kit;
