import { VirtioFeature } from "../../../core/protocol/index.ts";
import { NetFeature } from "../../../endpoints/devices/net/layout.ts";
import type { Check } from "../../conformance/kit/check.ts";
import type { CheckContext } from "../../conformance/kit/back-end/context.ts";
import { type Echo, echoOf } from "./echo.ts";

/** Rings of the second pair. */
const SECOND = [2, 3] as const;
const FRAMES = 4;
const MEMORY_BYTES = 4 << 20;

/** Switches both rings of a pair, and waits until the target has done so. */
async function enablePair({ device, receiving }: Echo, on: boolean): Promise<void> {
  for (const ring of [receiving, device.ring]) await ring.enable(on);
  await device.session.alive();
}

/** Returns whether a frame on a pair is used. */
async function isServed(t: CheckContext, pair: Echo): Promise<boolean> {
  pair.push(pair.frame());
  return (await pair.device.ring.completion(t.times.callMs / 2)) !== undefined;
}

/** Sends frames on a pair. Returns whether the last of them came on it, of whose pair no ring is disabled. */
async function comesBack(pair: Echo): Promise<boolean> {
  for (let i = 1; i < FRAMES; i += 1) await pair.transmit(pair.frame());
  const last = pair.frame();
  await pair.transmit(last);
  return (await pair.until(last)).includes(last);
}

/** @throws {CaseFailure} a frame came on a pair that is disabled */
async function expectNone(t: CheckContext, pair: Echo, what: string): Promise<void> {
  const frame = await pair.receive(t.times.graceMs);
  t.expectThat(`ring ${pair.receiving.index}, ${what}`, frame === undefined, "no frame", "one");
}

/** Starts the second pair, whose rings stay disabled, with buffers. */
async function secondPair(t: CheckContext, first: Echo): Promise<Echo> {
  const { session, memory } = first.device;
  const [receiving, transmitting] = SECOND.map((index) => t.ring(session, memory, index));
  if (receiving === undefined || transmitting === undefined) throw new TypeError("no rings");
  for (const ring of [receiving, transmitting]) await ring.start();
  const second = first.pair([receiving, transmitting]);
  second.supply(receiving.size);
  await session.alive();
  return second;
}

export const netPairs: readonly Check[] = [
  {
    id: "net/6",
    title: "frames arrive on pairs that are enabled and on no other",
    strength: "MUST",
    section: "Multiple queue support; Ring states",
    observes: ["data"],
    needs: {
      device: ["net"],
      request: true,
      queues: 2,
      virtio: VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures | NetFeature.Mq,
    },
    async run(t) {
      const virtio = t.usualVirtio | NetFeature.Mq;
      const first = await echoOf(t, { virtio, size: MEMORY_BYTES });
      await first.expectTrip();
      const second = await secondPair(t, first);
      const early = await comesBack(first);
      t.expectThat("frames, with the first pair enabled", early, "on ring 0", "not on ring 0");
      await expectNone(t, second, "which was never enabled");
      await enablePair(second, true);
      // Whether a target must serve it is the subject of mq/2 and mq/4.
      if (!(await isServed(t, second)))
        t.notJudged(`the target does not serve ring ${second.device.ring.index}`);
      // Shows that frames could have come there.
      if (!(await comesBack(second)))
        t.notJudged("no frame comes on the second pair when it is enabled either");
      await enablePair(first, false);
      const alone = await comesBack(second);
      t.expectThat("frames, with the second pair enabled", alone, "on ring 2", "not on ring 2");
      await expectNone(t, first, "which is disabled");
      await enablePair(first, true);
      const late = await comesBack(first);
      t.expectThat("frames, with the first pair enabled again", late, "on ring 0", "not on ring 0");
    },
  },
];
