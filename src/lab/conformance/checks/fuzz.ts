import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import {
  FRONTEND_REQUESTS,
  goesOn,
  plainPayload,
  randomBytes,
  randomDescriptors,
} from "../kit/back-end/fuzz.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";

const SECTION = "Header; Payload";
const SESSIONS = 400;
/** Inputs between two checks that the target still serves. */
const LOOK_AFTER = 100;
const NOISE_BYTES = 64;
const ROUNDS = 20;
const MAX_DESCRIPTORS = 12;

/** Inputs for a target that starts a process for each session. */
const times = ({ facts }: CheckContext, usual: number): number =>
  facts.oneSession ? Math.ceil(usual / 20) : usual;

/** Returns the session, or a new one if it has ended or its state was changed. */
async function alive(t: CheckContext, session: Session | undefined): Promise<Session> {
  if (session && !session.closed) return session;
  t.closeSessions();
  return t.negotiatedSession();
}

/** States in which a request can come. */
const STATES: Readonly<Record<string, (t: CheckContext) => Promise<Session>>> = {
  "before negotiation": async (t) => t.connect(),
  "once negotiated": async (t) => t.negotiatedSession(),
  "while rings run": async (t) => (await t.bringUp()).session,
  "once they are stopped": async (t) => {
    const { session, ring } = await t.bringUp();
    await ring.stop();
    return session;
  },
};

export const fuzz: readonly Check[] = [
  {
    id: "fuzz/1",
    title: "random bytes do no harm",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["service"],
    tags: ["random"],
    async run(t) {
      const count = times(t, SESSIONS);
      for (let i = 0; i < count; i += 1) {
        const session = await t.connect();
        await session.sendBytes(randomBytes(t, NOISE_BYTES), { note: "noise" });
        t.closeSessions();
        if (i % LOOK_AFTER === LOOK_AFTER - 1) await t.newSession();
      }
      await t.newSession();
    },
  },
  {
    id: "fuzz/2",
    title: "requests with random payloads of the right size do no harm",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["service"],
    tags: ["random"],
    async run(t) {
      let session: Session | undefined;
      for (let round = times(t, ROUNDS); round > 0; round -= 1) {
        for (const request of FRONTEND_REQUESTS) {
          session = await alive(t, session);
          const payload = randomBytes(t, plainPayload(request).length);
          const lives = await goesOn(session, request, payload);
          if (!lives) session = undefined;
        }
      }
      await t.newSession();
    },
  },
  {
    id: "fuzz/4",
    title: "descriptors of any number and kind do no harm and are not leaked",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["figures"],
    tags: ["random"],
    needs: { process: true },
    async run(t) {
      const before = await t.descriptors();
      let session: Session | undefined;
      for (let round = 0; round < ROUNDS / 5; round += 1) {
        for (const request of FRONTEND_REQUESTS) {
          session = await alive(t, session);
          const fds = randomDescriptors(t, Math.floor(t.random() * (MAX_DESCRIPTORS + 1)));
          const lives = await goesOn(session, request, plainPayload(request), { fds });
          for (const fd of fds) fd.close();
          if (!lives) session = undefined;
        }
      }
      t.closeSessions();
      await t.expectDescriptors(before);
    },
  },
  {
    id: "fuzz/6",
    title: "every request, in every state, is answered or ends the connection",
    strength: "ROBUSTNESS",
    section: SECTION,
    observes: ["service"],
    tags: ["random"],
    needs: { request: true },
    async run(t) {
      for (const [state, enter] of Object.entries(STATES)) {
        for (const request of FRONTEND_REQUESTS) {
          t.closeSessions();
          t.exchange.note("··", `${nameOf(request)} ${state}`);
          await goesOn(await enter(t), request, plainPayload(request), { need: true });
        }
      }
      await t.newSession();
    },
  },
];
