import { FrontendRequest } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";

const SECTION = "Communication";
const CONNECTIONS = 200;
const SESSIONS = 50;
/** Requests in flight when the front-end disconnects. */
const REQUESTS = 64;
/** Requests whose answers are pending when the front-end closes. */
const UNANSWERED = 64;

export const conn: readonly Check[] = [
  {
    id: "conn/1",
    title: "connections that end at once do no harm and leak nothing",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["figures"],
    needs: { process: true },
    async run(t) {
      const before = await t.descriptors();
      for (let i = 0; i < CONNECTIONS; i += 1) {
        await t.connect();
        t.closeSessions();
      }
      await t.newSession();
      t.closeSessions();
      await t.expectDescriptors(before);
    },
  },
  {
    id: "conn/2",
    title: "many sessions in sequence are served and leak nothing",
    strength: "SHOULD",
    section: SECTION,
    observes: ["data"],
    tags: ["long"],
    needs: { process: true, request: true },
    async run(t) {
      const before = await t.descriptors();
      const mappings = await t.mappings();
      for (let i = 0; i < SESSIONS; i += 1) {
        const { request, memory, rings } = await t.bringUp();
        await request();
        t.closeSessions();
        for (const ring of rings.values()) ring.close();
        memory.close();
      }
      await t.expectDescriptors(before);
      // The first session may allocate what the target keeps for all sessions.
      await t.expectMappings(mappings + SESSIONS / 2);
    },
  },
  {
    id: "conn/3",
    title:
      "a front-end that disconnects with requests in flight does no harm, and its memory is not written to",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["service"],
    needs: { request: true },
    async run(t) {
      const { ring, memory } = await t.bringUp({ ring: { size: 256 } });
      for (let i = 0; i < REQUESTS; i += 1) {
        const { readable, writable } = t.kit.request(memory);
        ring.add(readable, writable);
      }
      ring.kick.signal();
      t.closeSessions();
      // Many targets accept a session only after the previous one has ended.
      const session = await t.newSession();
      await session.pause(t.times.graceMs);
      const before = memory.content;
      await session.pause(t.times.graceMs);
      const changed = Buffer.compare(before, memory.content) !== 0;
      t.expect("memory is still written to", changed, false);
    },
  },
  {
    id: "conn/4",
    title: "a second connection does not disturb the first",
    strength: "SHOULD",
    section: SECTION,
    observes: ["data"],
    needs: { request: true },
    hostile: true,
    async run(t) {
      const { session, request } = await t.bringUp();
      await request();
      const second = await t.connect().catch(() => undefined);
      if (second === undefined) t.info("refused");
      // The target may serve the second connection or let it wait.
      await second?.send(FrontendRequest.GetFeatures);
      const alive = await session.alive();
      if (alive) await request();
      // It may be answered only now. conn/8 judges a target that answers into a closed connection.
      session.close();
      await second?.next();
      t.expect("the first session goes on", alive, true);
    },
  },
  {
    id: "conn/8",
    title: "a front-end that closes while an answer is pending does no harm",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["service"],
    async run(t) {
      // Every answer meets a socket that is not read any more (EPIPE), however fast the target is.
      const deaf = await t.connect(false);
      deaf.endReading();
      await deaf.send(FrontendRequest.GetFeatures);
      await deaf.pause(t.times.gapMs);
      t.closeSessions();
      const closing = await t.connect(false);
      for (let i = 0; i < UNANSWERED; i += 1) await closing.send(FrontendRequest.GetFeatures);
      t.closeSessions();
    },
  },
];
