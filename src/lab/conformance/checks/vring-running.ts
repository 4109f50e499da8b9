import { delay } from "../../../core/base/index.ts";
import { createPipe, EventFd, type OwnedFd } from "../../../core/os/index.ts";
import { FrontendRequest, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";

const { SetVringAddr, SetVringBase, SetVringCall, SetVringEnable, SetVringKick, SetVringNum } =
  FrontendRequest;
const NEEDS = { request: true } as const;
/** Number of times that a message for a running ring is repeated, while requests are in flight. */
const SWAPS = 20;

/** Observation time in milliseconds, and the share of a processor from which a target counts as busy. */
const LOOK_MS = 500;
const BUSY = 0.2;
/** Looks at a target, of which one must see it idle. */
const LOOKS = 5;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/**
 * Returns the share of a processor that the target uses in this time.
 *
 * @throws {CaseSkip}
 */
async function busyShare(t: CheckContext): Promise<number> {
  const spent = (): number =>
    t.target.process?.figures()?.runnableMs ?? t.skip("the target's process cannot be looked at");
  const [before, start] = [spent(), performance.now()];
  t.observe("figures");
  await delay(LOOK_MS);
  return (spent() - before) / (performance.now() - start);
}

/** On a loaded machine even a short task is ready to run for long: one idle look is enough. */
async function leastBusyShare(t: CheckContext): Promise<number> {
  let least = await busyShare(t);
  for (let look = 1; look < LOOKS && least >= BUSY; look += 1) {
    least = Math.min(least, await busyShare(t));
  }
  return least;
}

/**
 * Starts a ring with this kick descriptor.
 *
 * @returns false: the target ended the session
 */
async function kickedThrough(t: CheckContext, session: Session, fd: OwnedFd): Promise<boolean> {
  const memory = t.createMemory();
  await t.share(session, memory);
  const ring = t.ring(session, memory, t.kit.ring);
  const { index } = ring;
  await ring.setUp(SetVringKick);
  const { alive } = await session.attempt(SetVringKick, { index, noFd: false }, { fds: [fd] });
  const gate = (session.virtio & VirtioFeature.ProtocolFeatures) !== 0n;
  if (!alive || !gate) return alive;
  return (await session.attempt(SetVringEnable, { index, num: 1 })).alive;
}

/** Checks that a split ring that starts at `base` serves more requests than it has entries. */
async function fromBase(t: CheckContext, base: number): Promise<void> {
  t.closeSessions();
  const { ring, request } = await t.bringUp({ ring: { base } });
  const count = 20;
  for (let i = 0; i < count; i += 1) await request();
  t.expect(`GET_VRING_BASE after base ${base}`, await ring.stop(), (base + count) % 0x1_0000);
}

/** The checks of section vring about running rings. */
export const runningVring: readonly Check[] = [
  {
    id: "vring/17",
    title: "a ring starts at its base, and its index wraps from 65535 to 0",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_BASE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      for (const base of [0, 65_535, 32_767]) await fromBase(t, base);
    },
  },
  {
    id: "vring/19",
    title: "the kick descriptor of a running ring can be replaced",
    strength: "SHOULD",
    section: "VHOST_USER_SET_VRING_KICK",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      await request();
      ring.kick = t.closing(EventFd.create());
      await ring.send(SetVringKick);
      await request();
      await request();
    },
  },
  {
    id: "vring/20",
    title: "no call is lost while the call descriptor of a running ring is replaced",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_CALL",
    observes: ["call", "data"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      for (let i = 0; i < SWAPS; i += 1) {
        const request = t.kit.request(memory);
        const before = ring.call;
        before.drain();
        ring.push(request.readable, request.writable);
        ring.call = t.closing(EventFd.create());
        await ring.send(SetVringCall);
        t.expectAnswer(request, await ring.expectCompletion("a request"));
        const called = await ring.called(t.times.callMs, before);
        t.expect("a call on one of the two descriptors", called, true);
      }
    },
  },
  {
    id: "vring/23",
    title: "a kick descriptor whose other end is closed does not keep the target busy",
    strength: "ROBUSTNESS",
    section: "Support for platforms other than Linux",
    observes: ["figures"],
    needs: { ...NEEDS, process: true },
    async run(t) {
      const session = await t.negotiatedSession();
      const idle = await leastBusyShare(t);
      if (idle >= BUSY) t.skip(`the target is busy while it is idle: ${percent(idle)}`);
      const { read, write } = createPipe();
      t.closing(read);
      t.closing(write);
      const runs = await kickedThrough(t, session, read);
      write.close();
      if (runs) {
        const busy = await leastBusyShare(t);
        t.info(`${percent(idle)} of a processor before, ${percent(busy)} after`);
        const expected = `less than ${percent(BUSY)} of a processor`;
        t.expectThat("time on a processor", busy < BUSY, expected, percent(busy));
      }
      await t.survive(session);
    },
  },
  {
    id: "vring/24",
    title: "SET_VRING_ADDR may be repeated for a running ring",
    strength: "MUST",
    section: "Migration",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      for (let i = 0; i < SWAPS; i += 1) {
        const request = t.kit.request(memory);
        ring.push(request.readable, request.writable);
        await ring.send(SetVringAddr);
        t.expectAnswer(request, await ring.expectCompletion("a request"));
      }
    },
  },
  {
    id: "vring/25",
    title: "SET_VRING_NUM and SET_VRING_BASE for a running ring do no harm",
    strength: "ROBUSTNESS",
    section: "Ring states",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const [request, num] of [
        [SetVringNum, 8],
        [SetVringBase, 9],
      ] as const) {
        t.closeSessions();
        const device = await t.bringUp();
        const { ack } = await device.session.attempt(request, { index: device.ring.index, num });
        t.info(`${nameOf(request)}: ${ack === 0n ? "accepted" : "refused"}`);
        await t.survive(device.session);
      }
    },
  },
  {
    id: "vring/26",
    title: "the target writes only to its part of the ring and to writable buffers",
    strength: "MUST",
    section: "VIRTIO 2.7, 2.7.8",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      for (const features of [0n, VirtioFeature.EventIdx]) {
        t.closeSessions();
        const virtio = t.usualVirtio | (features & t.facts.virtio);
        const { memory, ring, request } = await t.bringUp({ virtio, regions: 8, spread: true });
        for (let i = 0; i <= ring.size; i += 1) await request();
        await ring.stop();
        t.expect("writes beside ring and buffers", memory.damage() ?? "none", "none");
      }
    },
  },
  {
    id: "vring/27",
    title: "the target continues from the used index in memory",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_BASE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp({ ring: { base: 7 } });
      await request();
      const { raw } = ring.queue;
      if (raw.format === "split") t.expect("used index", Atomics.load(raw.used16, 1), 8);
    },
  },
];
