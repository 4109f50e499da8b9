import { counted } from "../../../core/base/index.ts";
import { createPipe, type OwnedFd } from "../../../core/os/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  TransferDirection,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { beginState, checkState, openState } from "../kit/back-end/device-state.ts";
import type { Session } from "../kit/back-end/session.ts";

const { CheckDeviceState, GetFeatures } = FrontendRequest;
const { Load, Save } = TransferDirection;
const { DeviceState, Mq, ReplyAck, Config } = ProtocolFeature;
const PROTOCOL = DeviceState | Mq | ReplyAck | Config;
const OFFERED = { protocol: DeviceState } as const;
const NEEDS = { ...OFFERED, request: true } as const;
const SET = "VHOST_USER_SET_DEVICE_STATE_FD";
const CHECK = "VHOST_USER_CHECK_DEVICE_STATE";
const MIGRATING = "Migrating back-end state";
const PARAMETERS = "Device state transfer parameters";
const UNKNOWN = 2;
const PHASE_RUNNING = 1;
const NOISE_BYTES = 4096;

/** A device whose rings were stopped after requests. */
interface Stopped extends RunningDevice {
  /** Replies to GET_VRING_BASE, by ring. */
  readonly bases: ReadonlyMap<number, number>;
  /** Checks that a device continues from the state of this one. */
  readonly goesOn: (device: RunningDevice) => Promise<void>;
}

async function stopped(t: CheckContext): Promise<Stopped> {
  const running = await t.bringUp({ protocol: PROTOCOL });
  await running.request();
  const goesOn = await witness(t, running);
  const bases = new Map<number, number>();
  for (const ring of running.rings.values()) bases.set(ring.index, await ring.stop());
  return { ...running, bases, goesOn };
}

/** Returns the kit's comparison; by default it sends a request. */
async function witness(t: CheckContext, running: RunningDevice): Promise<Stopped["goesOn"]> {
  const compare = await t.kit.witness?.(t, running);
  return async (device) => (compare === undefined ? device.request() : compare(t, device));
}

async function saved(t: CheckContext, session: Session): Promise<Buffer> {
  return (await beginState(t, session, Save)).read();
}

async function loaded(
  t: CheckContext,
  session: Session,
  state: Uint8Array,
): ReturnType<typeof checkState> {
  await (await beginState(t, session, Load)).write(state);
  return checkState(t, session);
}

/** Opens a session with a fresh device: a process that the suite owns is restarted. */
async function fresh(t: CheckContext): Promise<Session> {
  t.closeSessions();
  await t.target.restart?.();
  return t.negotiatedSession(undefined, PROTOCOL);
}

/** Opens a pipe, which is closed with the check, and returns the end to send. */
function pipeEnd(t: CheckContext, direction: number, { dead = false } = {}): OwnedFd {
  const { read, write } = createPipe();
  const [ours, theirs] = direction === Load ? [write, read] : [read, write];
  if (dead) ours.close();
  t.closing(ours);
  return t.closing(theirs);
}

export const devstate: readonly Check[] = [
  {
    id: "devstate/1",
    title: "a device state stream, over either side's descriptor, reaches EOF",
    strength: "MUST",
    section: SET,
    observes: ["reply"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session } = await stopped(t);
      const end = await beginState(t, session, Save);
      const right = end.reply === 0x100n || end.reply === 0n;
      t.expectThat("the reply", right, "0x100, or 0 with a descriptor", end.reply);
      t.info(counted((await end.read()).length, "byte"));
    },
  },
  {
    id: "devstate/2",
    title: "an error never comes with a descriptor",
    strength: "MUST",
    section: SET,
    observes: ["reply"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session } = await stopped(t);
      for (const direction of [UNKNOWN, Save]) {
        const answer = await openState(session, direction, [pipeEnd(t, direction)]);
        if (answer === "closed") return;
        const { value, error, fds } = answer;
        if (error === 0) continue;
        t.expect(`descriptors with error ${error}`, fds.length, 0);
        if (value < 0x100n) t.warn(`the reply with error ${error}`, "bit 8: no descriptor", value);
      }
    },
  },
  {
    id: "devstate/3",
    title: "CHECK_DEVICE_STATE reports success after a state was saved",
    strength: "MUST",
    section: CHECK,
    observes: ["reply"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session } = await stopped(t);
      await saved(t, session);
      t.expect("its value", await checkState(t, session), 0n);
      // The session closes here: some targets end once their state was saved.
      await t.survive(session);
    },
  },
  {
    id: "devstate/4",
    title: "the target answers while a transfer waits for the front-end",
    strength: "SHOULD",
    section: MIGRATING,
    observes: ["reply"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      for (const direction of [Save, Load]) {
        const { session } = await stopped(t);
        await beginState(t, session, direction);
        await session.send(GetFeatures);
        const { header } = await session.expectNext("GET_FEATURES during a transfer");
        t.expect("the request that is answered", header.request, GetFeatures);
        t.closeSessions();
      }
    },
  },
  {
    id: "devstate/5",
    title: "a fresh target that loads the state continues where the previous one stopped",
    strength: "MUST",
    section: MIGRATING,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session, goesOn } = await stopped(t);
      const state = await saved(t, session);
      await checkState(t, session);
      const other = await fresh(t);
      t.expect("CHECK_DEVICE_STATE", await loaded(t, other, state), 0n);
      await goesOn(await t.bringUp({ session: other }));
    },
  },
  {
    id: "devstate/6",
    title: "a truncated state is not loaded",
    strength: "MUST",
    section: CHECK,
    observes: ["reply"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session } = await stopped(t);
      const state = await saved(t, session);
      if (state.length < 2) t.skip(`a state of ${counted(state.length, "byte")} has no half`);
      // A target that loads nothing at all would refuse the half as well.
      const whole = await loaded(t, await fresh(t), state);
      if (whole !== 0n) t.notJudged("the whole state is not loaded either");
      const half = state.subarray(0, state.length >> 1);
      const value = await loaded(t, await fresh(t), half);
      t.expectThat("CHECK_DEVICE_STATE", value !== 0n, "an error", value);
    },
  },
  {
    id: "devstate/7",
    title: "an empty or random state is not loaded and does no harm",
    strength: "ROBUSTNESS",
    section: CHECK,
    observes: ["service"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const state = await saved(t, (await stopped(t)).session);
      const noise = Buffer.from(Array.from({ length: NOISE_BYTES }, () => t.random() * 256));
      const whole = await loaded(t, await fresh(t), state);
      if (whole !== 0n) t.notJudged("the state that it saved is not loaded either");
      // A device may have nothing to save.
      for (const wrong of state.length === 0 ? [noise] : [noise, Buffer.alloc(0)]) {
        const session = await fresh(t);
        const value = await loaded(t, session, wrong);
        t.expectThat(`after ${counted(wrong.length, "byte")}`, value !== 0n, "an error", value);
        await t.survive(session);
      }
    },
  },
  {
    id: "devstate/8",
    title: "a front-end that disconnects during a transfer does no harm",
    strength: "ROBUSTNESS",
    section: CHECK,
    observes: ["service"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session } = await stopped(t);
      const answer = await openState(session, Save, [pipeEnd(t, Save, { dead: true })]);
      if (answer !== "closed") {
        for (const fd of answer.fds) fd.close();
        const value = await checkState(t, session);
        if (value === 0n) t.warn("a state whose reader disconnected", "an error", value);
      }
      await t.survive(session);
      await beginState(t, await fresh(t), Load);
      await t.newSession();
    },
  },
  {
    id: "devstate/9",
    title: "CHECK_DEVICE_STATE is answered where nothing was transferred",
    strength: "ROBUSTNESS",
    section: CHECK,
    observes: ["reply"],
    tags: ["migration"],
    needs: OFFERED,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      await session.send(CheckDeviceState);
      const next = await session.answerOrEnd("CHECK_DEVICE_STATE");
      if (next !== "closed")
        t.expect("the request answered", next.header.request, CheckDeviceState);
      await t.survive(session);
    },
  },
  {
    id: "devstate/10",
    title: "an unknown direction, an unknown phase and a missing descriptor are refused",
    strength: "ROBUSTNESS",
    section: PARAMETERS,
    observes: ["service"],
    tags: ["migration"],
    needs: OFFERED,
    async run(t) {
      const cases: readonly (readonly [string, number, number, boolean])[] = [
        ["direction 2", UNKNOWN, 0, true],
        ["phase 1", Save, PHASE_RUNNING, true],
        ["no descriptor", Save, 0, false],
      ];
      for (const [what, direction, phase, has] of cases) {
        const session = await t.negotiatedSession(undefined, PROTOCOL);
        const fds = has ? [pipeEnd(t, direction)] : [];
        const answer = await openState(session, direction, fds, phase);
        const refused = answer === "closed" || answer.error !== 0;
        t.expectThat(what, refused, "an error", answer === "closed" || answer.value);
        await t.survive(session);
        t.closeSessions();
      }
    },
  },
  {
    id: "devstate/11",
    title: "a transfer is refused while rings run",
    strength: "SHOULD",
    section: MIGRATING,
    observes: ["reply"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session, request } = await t.bringUp({ protocol: PROTOCOL });
      await request();
      const answer = await openState(session, Save, [pipeEnd(t, Save)]);
      if (answer === "closed") return;
      t.expectThat("SET_DEVICE_STATE_FD", answer.error !== 0, "an error", answer.value);
    },
  },
  {
    id: "devstate/12",
    title: "a device whose state was saved continues when its rings are started again",
    strength: "MUST",
    section: MIGRATING,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { goesOn, bases, ...running } = await stopped(t);
      await saved(t, running.session);
      await checkState(t, running.session);
      for (const ring of running.rings.values()) {
        await ring.restart(bases.get(ring.index) ?? 0);
        await ring.enable();
      }
      await goesOn(running);
    },
  },
];
