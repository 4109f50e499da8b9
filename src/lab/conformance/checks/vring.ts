import { counted } from "../../../core/base/index.ts";
import { EventFd } from "../../../core/os/index.ts";
import {
  FrontendRequest,
  type VringAddress,
  type VringState,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { changed, firstRefusal } from "../kit/back-end/refusal.ts";
import type { Ring, RingStep } from "../kit/back-end/ring.ts";
import type { Session } from "../kit/back-end/session.ts";

const {
  GetVringBase,
  SetVringAddr,
  SetVringBase,
  SetVringCall,
  SetVringEnable,
  SetVringErr,
  SetVringKick,
  SetVringNum,
} = FrontendRequest;
const NEEDS = { request: true } as const;
const STATES = "Ring states";
/** An address at which nothing is mapped. */
const NOWHERE = 0x5000_0000_0000n;

/** Checks that a device serves a request whose ring is set up in this order. */
async function inOrder(t: CheckContext, ...order: readonly FrontendRequest[]): Promise<void> {
  const { request } = await t.bringUp({
    async start(ring) {
      await ring.send(...order);
      ring.kick.signal();
    },
  });
  await request();
}

/** Makes a request available in a ring that has everything but its kick descriptor. */
async function waiting(
  t: CheckContext,
): Promise<{ ring: Ring; session: Session; request: KitRequest }> {
  const device = await t.bringUp({ start: async (ring) => void (await ring.setUp(SetVringKick)) });
  const request = t.kit.request(device.memory);
  device.ring.add(request.readable, request.writable);
  return { ...device, request };
}

/** Returns whether the target completes a request that it must not serve, within a short time. */
async function isServed(t: CheckContext, { ring, session }: { ring: Ring; session: Session }) {
  if (!(await session.alive())) return false;
  return (await ring.completion(t.times.graceMs)) !== undefined;
}

/** Sets a ring up with an invalid step, which must be refused, or the ring must not be served. */
async function badRing(
  t: CheckContext,
  change: (steps: readonly RingStep[]) => readonly RingStep[],
): Promise<"refused" | "accepted" | "served"> {
  t.closeSessions();
  const session = await t.negotiatedSession();
  const memory = t.createMemory();
  await t.share(session, memory);
  const ring = t.ring(session, memory, t.kit.ring);
  if ((await firstRefusal(session, change(ring.steps))) !== undefined) return "refused";
  if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) {
    const { alive } = await session.attempt(SetVringEnable, { index: ring.index, num: 1 });
    if (!alive) return "refused";
  }
  const { readable, writable } = t.kit.request(memory);
  ring.push(readable, writable);
  return (await isServed(t, { ring, session })) ? "served" : "accepted";
}

/** Checks that a ring of `size` entries is served or refused. */
async function ofSize(t: CheckContext, size: number): Promise<"works" | "refused"> {
  t.closeSessions();
  const session = await t.negotiatedSession();
  const memory = t.createMemory({ size: 4 << 20 });
  const { ack, alive } = await session.attempt(SetVringNum, { index: t.kit.ring, num: size });
  if (!alive || (ack ?? 0n) !== 0n) return "refused";
  await t.share(session, memory);
  const device = await t.bringUp({ session, memory, ring: { size } });
  const { readable, writable } = t.kit.request(memory);
  if (readable.length + writable.length <= size) await device.request();
  else await device.ring.stop();
  return "works";
}

export const vring: readonly Check[] = [
  {
    id: "vring/1",
    title: "a ring works that is set up in the usual order",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    run: async (t) =>
      inOrder(t, SetVringNum, SetVringBase, SetVringAddr, SetVringCall, SetVringErr, SetVringKick),
  },
  {
    id: "vring/2",
    title: "a ring works that is set up in QEMU's order, with its kick before its call",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    run: async (t) =>
      inOrder(t, SetVringNum, SetVringBase, SetVringAddr, SetVringKick, SetVringCall),
  },
  {
    id: "vring/3",
    title: "a ring works that is set up in another order, with its kick last",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    run: async (t) =>
      inOrder(t, SetVringCall, SetVringNum, SetVringAddr, SetVringBase, SetVringKick),
  },
  {
    id: "vring/4",
    title: "a ring that was not started is not served",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, session, request } = await waiting(t);
      t.expect("a completion", await isServed(t, { ring, session }), false);
      // Once the ring is started, the same request has its effect.
      await ring.send(SetVringKick);
      ring.kick.signal();
      const done = await ring.completion();
      if (done === undefined)
        return t.notJudged("it is not served once the ring is started either");
      t.expectAnswer(request, done);
    },
  },
  {
    id: "vring/5",
    title: "SET_VRING_KICK starts a ring, and available requests are served without a kick",
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await waiting(t);
      await ring.send(SetVringKick);
      const done = await ring.completion();
      if (done !== undefined) return t.expectAnswer(request, done);
      ring.kick.signal();
      t.expectAnswer(request, await ring.expectCompletion("a request, after a kick"));
      t.warn("available requests", "served when the ring starts", "served only after a kick");
    },
  },
  {
    id: "vring/6",
    title: "a ring is served once its kick descriptor was received and signalled",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await waiting(t);
      await ring.send(SetVringKick);
      ring.kick.signal();
      t.expectAnswer(request, await ring.expectCompletion("a request"));
    },
  },
  {
    id: "vring/7",
    title: "a ring without a kick descriptor is polled",
    strength: "SHOULD",
    section: "VHOST_USER_SET_VRING_KICK",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, session, request } = await waiting(t);
      await session.set(SetVringKick, { index: ring.index, noFd: true });
      t.expectAnswer(request, await ring.expectCompletion("a request"));
    },
  },
  {
    id: "vring/8",
    title: "a ring without a call descriptor is served",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_CALL",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { session, request } = await t.bringUp({
        async start(ring) {
          const session = await ring.setUp(SetVringCall, SetVringKick);
          await session.set(SetVringCall, { index: ring.index, noFd: true });
          await ring.send(SetVringKick);
          ring.kick.signal();
        },
      });
      await request();
      // A target that signals a missing descriptor does so after the completion.
      t.expect("the session stays open", await session.alive(), true);
    },
  },
  {
    id: "vring/9",
    title: "a ring works without an error descriptor",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_ERR",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { request } = await t.bringUp({
        async start(ring) {
          const session = await ring.setUp(SetVringErr, SetVringKick);
          await session.set(SetVringErr, { index: ring.index, noFd: true });
          await ring.send(SetVringKick);
          ring.kick.signal();
        },
      });
      await request();
    },
  },
  {
    id: "vring/10",
    title: "a ring of 1, 2, 8, 256 or 1024 entries works, or is refused",
    strength: "ROBUSTNESS",
    section: "VIRTIO 2.7",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const size of [1, 2, 8, 256, 1024])
        t.info(`${counted(size, "entry", "entries")}: ${await ofSize(t, size)}`);
    },
  },
  {
    id: "vring/11",
    title: "a split ring of 0, 3 or 65536 entries is refused",
    strength: "SHOULD",
    section: "VIRTIO 2.7",
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      for (const num of [0, 3, 65_536]) {
        const outcome = await badRing(t, (steps) =>
          changed<VringState>(steps, SetVringNum, (state) => ({ ...state, num })),
        );
        if (outcome !== "refused")
          t.warn(`a ring of ${counted(num, "entry", "entries")}`, "a refusal", outcome);
      }
    },
  },
  {
    id: "vring/12",
    title: "a split ring of 32768 entries, the maximum, works or is refused",
    strength: "ROBUSTNESS",
    section: "VIRTIO 2.7",
    observes: ["service"],
    needs: NEEDS,
    run: async (t) => t.info(await ofSize(t, 32_768)),
  },
  {
    id: "vring/13",
    title: "unaligned parts of a ring do no harm",
    strength: "ROBUSTNESS",
    section: "VIRTIO 2.7.1",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const [part, by] of [
        ["descriptor", 8n],
        ["available", 1n],
        ["used", 2n],
      ] as const) {
        const outcome = await badRing(t, (steps) =>
          changed<VringAddress>(steps, SetVringAddr, (all) => ({ ...all, [part]: all[part] + by })),
        );
        t.info(`${part} ${counted(by, "byte")} off: ${outcome}`);
      }
    },
  },
  {
    id: "vring/14",
    title: "the parts of a ring may be in different regions",
    strength: "MUST",
    section: "Memory access",
    observes: ["data"],
    needs: NEEDS,
    run: async (t) => (await t.bringUp({ regions: 3, spread: true })).request(),
  },
  {
    id: "vring/15",
    title: "a ring at addresses outside of all regions is refused or not served",
    strength: "ROBUSTNESS",
    section: "VHOST_USER_SET_VRING_ADDR",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const part of ["descriptor", "available", "used"] as const) {
        const outcome = await badRing(t, (steps) =>
          changed<VringAddress>(steps, SetVringAddr, (all) => ({ ...all, [part]: NOWHERE })),
        );
        t.expectThat(
          `a ring whose ${part} part is nowhere`,
          outcome !== "served",
          "not served",
          outcome,
        );
        t.info(`${part} nowhere: ${outcome}`);
      }
    },
  },
  {
    id: "vring/18",
    title: "requests for rings that the device does not have do no harm",
    strength: "ROBUSTNESS",
    section: "VHOST_USER_SET_VRING_NUM",
    observes: ["service"],
    async run(t) {
      const state = (index: number) => ({ index, num: 16 });
      const fd = t.closing(EventFd.create()).descriptor;
      for (const index of [255, 256, 5000, 0xffff_ffff]) {
        for (const request of [SetVringNum, SetVringBase, SetVringEnable, GetVringBase]) {
          await survives(t, request, state(index));
        }
        const nowhere = { index, flags: 0, descriptor: 0n, available: 0n, used: 0n, log: 0n };
        await survives(t, SetVringAddr, nowhere);
      }
      for (const request of [SetVringKick, SetVringCall, SetVringErr]) {
        await survives(t, request, { index: 255, noFd: false }, [fd]);
      }
    },
  },
];

/** Sends a request that must be refused or ignored. Returns a session that is still open. */
async function survives(
  t: CheckContext,
  request: FrontendRequest,
  payload: unknown,
  fds: readonly EventFd["descriptor"][] = [],
): Promise<void> {
  t.closeSessions();
  const session = await t.negotiatedSession();
  await session.send(request, payload, { fds });
  for (;;) {
    // GET_VRING_BASE may be answered.
    await session.send(FrontendRequest.GetFeatures);
    const next = await session.answerOrEnd("GET_FEATURES");
    if (next === "closed") return void (await t.newSession());
    if (next.header.request === FrontendRequest.GetFeatures) return;
  }
}
