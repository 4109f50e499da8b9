import { EventFd } from "../../../core/os/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import { BackChannel } from "../kit/back-end/back-channel.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { craftInflight } from "../kit/back-end/inflight.ts";
import { LogArea, setLog } from "../kit/back-end/log-area.ts";
import { SharedFiles } from "../kit/shared-files.ts";

const { GetFeatures, SetFeatures, SetVringCall, SetVringErr, SetVringKick } = FrontendRequest;
const { BackendReq, Config, InflightShmfd, LogShmfd, Mq, ReplyAck } = ProtocolFeature;
const ENTRIES = 16;
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

/** Runs a device on descriptors that are all of one mode. */
async function keepsModes(t: CheckContext, nonBlocking: boolean): Promise<void> {
  const files = t.closing(new SharedFiles());
  const channels = t.closing(new SharedFiles());
  const logs = (t.facts.virtio & VirtioFeature.LogAll) === 0n ? 0n : LogShmfd;
  const wanted = Mq | ReplyAck | Config | InflightShmfd | BackendReq | logs;
  const session = await t.negotiatedSession(undefined, wanted);
  const has = (bit: bigint): boolean => (session.protocol & bit) !== 0n;
  const memory = t.createMemory();
  for (const each of memory.fds) files.watch("memory", each, nonBlocking);
  await t.share(session, memory);
  if (has(BackendReq)) {
    const watch = channels.watch.bind(channels, "the back-end channel");
    await BackChannel.give(t, session, undefined, (end) => watch(end, nonBlocking));
  }
  const region = craftInflight(t, Math.max(...t.kit.rings) + 1, ENTRIES);
  if (has(InflightShmfd)) files.watch("the in-flight region", region.fd, nonBlocking);
  const { ring, request } = await t.bringUp({
    session,
    memory,
    inflight: region,
    ring: { size: ENTRIES },
    start: async (each) => {
      files.watch("kick", each.kick.descriptor, nonBlocking);
      files.watch("call", each.call.descriptor, nonBlocking);
      files.watch("error", each.error.descriptor, nonBlocking);
      await each.start();
    },
  });
  if (has(LogShmfd)) {
    const log = new LogArea(t, memory);
    files.watch("the log", log.fd, nonBlocking);
    await setLog(t, session, log);
    await session.set(SetFeatures, session.virtio | VirtioFeature.LogAll);
  }
  await request();
  await ring.stop();
  const { changed } = files;
  const mode = nonBlocking ? "non-blocking" : "blocking";
  t.expectThat(
    `descriptors in ${mode} mode`,
    changed.length === 0,
    "unchanged",
    changed.join("; "),
  );
  // The suite keeps this end for the look only; a front-end closes it.
  for (const each of channels.changed) t.info(each);
  t.closeSessions();
}

export const fd: readonly Check[] = [
  {
    id: "fd/1",
    title: "descriptors sent with a request that has none are not leaked",
    strength: "SHOULD",
    section: "Communication",
    observes: ["figures"],
    needs: PROCESS,
    hostile: true,
    run: async (t) => sendWithDescriptors(t, 4, TIMES),
  },
  {
    id: "fd/2",
    title: "descriptors beyond what any message has are not leaked",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["figures"],
    needs: PROCESS,
    run: async (t) => sendWithDescriptors(t, 12, 10),
  },
  {
    id: "fd/5",
    title: "a message that announces a descriptor and has none is refused",
    strength: "SHOULD",
    section: KICK,
    observes: ["refusal"],
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
    observes: ["data"],
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
    observes: ["data"],
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
  {
    id: "fd/11",
    title: "the mode of the front-end's descriptors is not changed",
    strength: "SHOULD",
    section: "Communication",
    observes: ["data"],
    needs: { request: true },
    async run(t) {
      await keepsModes(t, false);
      await keepsModes(t, true);
    },
  },
];
