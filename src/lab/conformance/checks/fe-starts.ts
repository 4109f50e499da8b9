import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import { soon } from "../kit/back-end/soon.ts";
import type { FrontendCheck } from "../kit/check.ts";
import type { FrontendContext } from "../kit/front-end/context.ts";
import { HeldRings, type RingStart } from "../kit/front-end/held-rings.ts";
import { running, sent } from "../kit/front-end/trace.ts";

const { GetVringBase, SetVringBase } = FrontendRequest;
const { InflightShmfd, Status } = ProtocolFeature;
const { RingPacked } = VirtioFeature;
const STATES = "Ring states";

/**
 * Ends a session in which chains wait, and returns the starts of rings in the next session in which
 * chains waited already.
 *
 * @throws {CaseSkip} the front-end makes no request, or does not reconnect
 */
async function restarts(t: FrontendContext): Promise<readonly RingStart[]> {
  const held = new HeldRings(t);
  // With an in-flight region a back-end finds out by itself where a ring goes on, a packed ring has
  // no indices in memory, and with a device status the mock starts rings later.
  const without = { virtio: RingPacked, protocol: InflightShmfd | Status };
  const frontend = await t.meet({ ...held.hooks, without }, () => held.waiting.length > 0);
  const [first] = frontend.mock.conversations.slice(-1);
  if (first === undefined || held.waiting.length === 0) t.skip("it makes no request available");
  const before = held.starts.length;
  first.session.close();
  const again = (): readonly RingStart[] =>
    held.starts.slice(before).filter(({ from }) => from && from.available !== from.used);
  await t.settled(frontend, () => again().length > 0);
  if (frontend.mock.conversations.length < 2)
    t.skip("the front-end does not reconnect (QEMU: -chardev socket,reconnect=1)");
  if (again().length === 0) t.skip("no ring that starts again has requests");
  return again();
}

/** Checks of rings that a front-end starts with something in them. */
export const feStarts: readonly FrontendCheck[] = [
  {
    id: "fe/70",
    title: "a ring that starts again with requests in it is kicked",
    strength: "SHOULD",
    section: STATES,
    observes: ["request"],
    async run(t) {
      for (const { index, kick } of await restarts(t)) {
        const isKicked = await soon(() => kick.drain() || undefined, t.times.graceMs);
        const what = `ring ${index}, which starts with requests in it`;
        t.expectThat(what, isKicked === true, "a kick", "none");
      }
    },
  },
  {
    id: "fe/71",
    title: "after a reconnect a ring starts at the first request that is not used",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_BASE",
    observes: ["request"],
    async run(t) {
      for (const { index, base, from } of await restarts(t))
        t.expect(`base of ring ${index} after a reconnect`, base, from?.used);
    },
  },
  {
    id: "fe/72",
    title: "rings that are stopped and started twice in a row go on at the same index",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_BASE",
    observes: ["request"],
    needsMonitor: true,
    async run(t) {
      const bases = new Map<number, number>();
      const frontend = await t.meet({
        observe: (way, { header, payload }) => {
          if (way !== "sent" || header.request !== GetVringBase || payload.length < 8) return;
          const view = Buffer.from(payload);
          bases.set(view.readUInt32LE(0), view.readUInt32LE(4));
        },
      });
      const monitor = await frontend.run.monitor();
      for (const round of ["first", "second"]) {
        const [conversation] = frontend.mock.conversations.slice(-1);
        const rings = running(conversation?.messages ?? []);
        if (rings.length === 0) t.skip("it started no ring");
        bases.clear();
        await monitor.execute("stop");
        await t.settled(frontend, () => rings.every((ring) => bases.has(ring)));
        const before = frontend.mock.messages.length;
        await monitor.execute("cont");
        const again = (): ReturnType<typeof sent<typeof SetVringBase>> =>
          sent(frontend.mock.messages.slice(before), SetVringBase);
        await t.settled(frontend, () => again().length >= rings.length);
        t.expectThat(
          `the ${round} cont`,
          again().length > 0,
          "rings that start again",
          "none does",
        );
        for (const { value } of again())
          t.expect(
            `base of ring ${value.index} after the ${round} cont`,
            value.num,
            bases.get(value.index),
          );
      }
    },
  },
];
