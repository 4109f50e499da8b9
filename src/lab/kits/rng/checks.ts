import type { GuestBuffer } from "../../../core/memory/index.ts";
import type { Check } from "../../conformance/kit/check.ts";
import type { KitPorts } from "../../conformance/kit/back-end/kit.ts";
import type { RunningDevice } from "../../conformance/kit/back-end/running-device.ts";
import { unwrittenAt } from "./unwritten.ts";

const NEEDS = { device: ["rng"] } as const;
/** Bytes of a request whose content is judged. */
const SAMPLE_BYTES = 4096;
/** Fewer random bytes than these may be equal by chance. */
const ENOUGH_BYTES = 16;
/** Standard deviations: a fair generator exceeds them once in 10^14 runs. */
const MAX_DEVIATIONS = 8;

/** Returns the bytes that the device reports for one request. */
async function ask({ ring }: RunningDevice, buffer: GuestBuffer): Promise<Uint8Array> {
  ring.push([], [buffer]);
  const { written } = await ring.expectCompletion(`${buffer.bytes.length} random bytes`);
  return buffer.bytes.slice(0, written);
}

/** Asks for the bytes of a sample in as many requests as the device takes for them. */
async function sample(t: KitPorts, { ring, memory }: RunningDevice): Promise<Uint8Array> {
  const bytes = new Uint8Array(SAMPLE_BYTES);
  for (let done = 0; done < bytes.length;) {
    const buffer = memory.poisoned(bytes.length - done);
    ring.push([], [buffer]);
    const { written = 0 } = (await ring.completion()) ?? {};
    // A device may limit its rate: rng/1 judges whether it completes requests at all.
    if (written === 0) return t.skip(`only ${done} of ${bytes.length} bytes came in time`);
    bytes.set(buffer.bytes.subarray(0, written), done);
    done += written;
  }
  return bytes;
}

function expectWritten(t: KitPorts, what: string, bytes: Uint8Array): void {
  const at = unwrittenAt(bytes);
  t.expectThat(
    what,
    at === undefined,
    "random bytes",
    `no write to byte ${at} and those behind it`,
  );
}

export const rng: readonly Check[] = [
  {
    id: "rng/1",
    title: "a request gets at least one byte, and no more than its room",
    strength: "MUST",
    section: "VIRTIO 5.4.6.2",
    observes: ["completion"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      for (const length of [1, 64, 1 << 16]) {
        ring.push([], [memory.poisoned(length)]);
        const { length: used } = await ring.expectCompletion(`${length} bytes`);
        t.expectThat("used length", used >= 1 && used <= length, `1 to ${length}`, used);
      }
    },
  },
  {
    id: "rng/2",
    title: "the device has written every byte that it reports",
    strength: "MUST",
    section: "VIRTIO 2.7.8.2, 2.8.21.1",
    observes: ["completion"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const device = await t.bringUp();
      expectWritten(t, "one buffer", await ask(device, device.memory.poisoned(SAMPLE_BYTES)));
    },
  },
  {
    id: "rng/6",
    title: "the device fills the buffers of a chain one after another",
    strength: "MUST",
    section: "VIRTIO 2.7.8.2, 2.8.21.1",
    observes: ["completion"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      const buffers = [64, 32, 128].map((length) => memory.poisoned(length));
      ring.push([], buffers);
      const { written } = await ring.expectCompletion("a chain of three buffers");
      const bytes = Buffer.concat(buffers.map((buffer) => buffer.bytes)).subarray(0, written);
      expectWritten(t, "three buffers", bytes);
    },
  },
  {
    id: "rng/3",
    title: "two requests get different bytes",
    strength: "MUST",
    section: "VIRTIO 5.4.6.2",
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const device = await t.bringUp();
      const first = await ask(device, device.memory.poisoned(64));
      const second = await ask(device, device.memory.poisoned(64));
      if (Math.min(first.length, second.length) < ENOUGH_BYTES)
        t.skip(`fewer than ${ENOUGH_BYTES} bytes may be equal by chance`);
      const different = Buffer.compare(first, second) !== 0;
      t.expectThat("the second request", different, "new bytes", "the same bytes");
    },
  },
  {
    id: "rng/4",
    title: "each bit is set in about half of the bytes",
    strength: "SHOULD",
    section: "VIRTIO 5.4",
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const bytes = await sample(t, await t.bringUp());
      const [mean, most] = [SAMPLE_BYTES / 2, MAX_DEVIATIONS * Math.sqrt(SAMPLE_BYTES / 4)];
      for (let bit = 0; bit < 8; bit += 1) {
        const set = bytes.reduce((count, byte) => count + ((byte >> bit) & 1), 0);
        const fair = Math.abs(set - mean) <= most;
        t.expectThat(`bit ${bit} of ${SAMPLE_BYTES} bytes`, fair, `set in about ${mean}`, set);
      }
    },
  },
  {
    id: "rng/5",
    title: "a request without room for random bytes does no harm",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.4.6.1",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory, session } = await t.bringUp();
      // No answer is possible, so the chain may complete or not.
      ring.push([memory.holding(new Uint8Array(64))], []);
      await ring.completion(t.times.graceMs);
      await t.survive(session, memory);
    },
  },
];
