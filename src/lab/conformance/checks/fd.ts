import { EventFd } from "../../../core/os/index.ts";
import { FrontendRequest } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";

const { GetFeatures, SetVringCall, SetVringErr, SetVringKick } = FrontendRequest;
const KICK = "VHOST_USER_SET_VRING_KICK";
const PROCESS = { process: true } as const;
const TIMES = 100;

/** Sends GET_FEATURES with descriptors, which it does not have; the target may end the session. */
async function sendWithDescriptors(t: CheckContext, count: number, times: number): Promise<void> {
  const events = Array.from({ length: count }, () => t.closing(EventFd.create()));
  const fds = events.map(({ descriptor }) => descriptor);
  const before = await t.descriptors();
  let session = await t.negotiatedSession();
  for (let i = 0; i < times; i += 1) {
    await session.send(GetFeatures, undefined, { fds });
    const next = await session.answerOrEnd("GET_FEATURES with descriptors");
    if (next === "closed") session = await t.newSession();
  }
  await t.newSession();
  t.closeSessions();
  await t.expectDescriptors(before);
}

export const fd: readonly Check[] = [
  {
    id: "fd/1",
    title: "descriptors sent with a request that has none are not leaked",
    strength: "SHOULD",
    section: "Communication",
    needs: PROCESS,
    hostile: true,
    run: async (t) => sendWithDescriptors(t, 4, TIMES),
  },
  {
    id: "fd/2",
    title: "descriptors beyond what any message has are not leaked",
    strength: "ROBUSTNESS",
    section: "Communication",
    needs: PROCESS,
    run: async (t) => sendWithDescriptors(t, 12, 10),
  },
  {
    id: "fd/5",
    title: "a message that announces a descriptor and has none is refused",
    strength: "SHOULD",
    section: KICK,
    hostile: true,
    async run(t) {
      for (const request of [SetVringKick, SetVringCall]) {
        const session = await t.negotiatedSession();
        const attempt = await session.attempt(request, { index: 0, noFd: false });
        t.reject(`request ${request} without a descriptor`, attempt, { served: "WARN" });
        t.closeSessions();
      }
    },
  },
  {
    id: "fd/6",
    title: "descriptors that are replaced are closed",
    strength: "SHOULD",
    section: KICK,
    tags: ["hostile"],
    needs: { ...PROCESS, request: true },
    async run(t) {
      const { session, ring, request } = await t.bringUp();
      await request();
      await session.alive();
      const before = await t.descriptors();
      for (let i = 0; i < TIMES; i += 1) await ring.send(SetVringCall, SetVringErr, SetVringKick);
      await session.alive();
      await t.expectDescriptors(before);
      await request();
    },
  },
  {
    id: "fd/7",
    title: "a session leaks neither descriptors nor shared mappings",
    strength: "MUST",
    section: KICK,
    tags: ["hostile"],
    needs: { ...PROCESS, request: true },
    async run(t) {
      // The first session may allocate what the target keeps for all sessions.
      for (const first of [true, false]) {
        const before = await t.descriptors();
        const mappings = await t.mappings();
        const { request, memory, rings } = await t.bringUp();
        await request();
        t.closeSessions();
        for (const ring of rings.values()) ring.close();
        memory.close();
        if (first) continue;
        await t.expectDescriptors(before);
        await t.expectMappings(mappings);
      }
    },
  },
];
