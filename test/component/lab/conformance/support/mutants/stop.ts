import { EventFd, type OwnedFd } from "../../../../../../src/core/os/index.ts";
import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import type { RequestHandler } from "../../../../../../src/core/session/index.ts";
import type { DeviceQueue } from "../../../../../../src/core/virtqueue/index.ts";
import { answers, fault, type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { GetFeatures, GetQueueNum, GetVringBase, SetMemTable, SetVringBase, SetVringCall } =
  FrontendRequest;

/** A back-end whose stopping of rings can look at their queues. */
const lookingAtQueues = (
  summary: string,
  stop: (state: VringState, queue: DeviceQueue | undefined) => VringState,
): Mutant => ({
  fault: summary,
  apply: (options) => {
    let current: DeviceQueue | undefined;
    return {
      ...options,
      queue: (queue) => (current = queue),
      handler: (request, plain) =>
        request !== GetVringBase
          ? plain
          : async (payload, incoming) =>
              stop((await plain(payload, incoming)) as VringState, current),
    };
  },
});

/** Does something with the first GET_FEATURES behind a GET_VRING_BASE. */
function afterStop(act: () => void): (request: number, plain: RequestHandler) => RequestHandler {
  let stopped = false;
  return (request, plain) => (payload, incoming) => {
    if (request === GetVringBase) stopped = true;
    if (request === GetFeatures && stopped) {
      stopped = false;
      act();
    }
    return plain(payload, incoming);
  };
}

export const stop: Readonly<Record<string, Mutant>> = {
  "stop/1": fault("base-wrong"),
  "stop/2": answers<VringState>("sets bit 16 of a base", GetVringBase, ({ index, num }) => ({
    index,
    num: num | 0x1_0000,
  })),
  "stop/3": fault("drop-completion=2"),
  "stop/4": {
    fault: "writes to a ring that it has stopped",
    apply: (options) => {
      let current: DeviceQueue | undefined;
      const late = afterStop(() => {
        const raw = current?.raw;
        if (raw?.format === "split") raw.used16[0] = 1;
      });
      return { ...options, queue: (queue) => (current = queue), handler: late };
    },
  },
  "stop/5": {
    fault: "calls once more after a ring has stopped",
    apply: (options, world) => {
      let call: OwnedFd | undefined;
      const late = afterStop(() => {
        const event = call && EventFd.adopt(call.duplicate());
        call = undefined;
        event?.signal();
        event?.close();
      });
      const handler = (request: number, plain: RequestHandler): RequestHandler => {
        if (request !== SetVringCall) return late(request, plain);
        return (payload, incoming) => {
          call = incoming.fds[0]?.duplicate();
          if (call !== undefined) world.leak(call);
          return plain(payload, incoming);
        };
      };
      return { ...options, handler };
    },
  },
  "stop/6": lookingAtQueues("skips what waits in a ring as it stops", (state, queue) => {
    const raw = queue?.raw;
    return raw?.format === "split" ? { ...state, num: Atomics.load(raw.available, 1) } : state;
  }),
  "stop/7": throughHandler("answers with 0 for a ring that is stopped", () => ({
    [GetVringBase]: (plain, session) => (payload, incoming) => {
      const { index } = payload as VringState;
      return session().vrings[index]?.started ? plain(payload, incoming) : { index, num: 0 };
    },
  })),
  "stop/8": throughHandler("answers with 0 for a ring that never ran", () => ({
    [SetVringBase]: (plain) => (payload, incoming) =>
      plain({ ...(payload as VringState), num: 0 }, incoming),
  })),
  "stop/9": answers<VringState>(
    "answers with half of the base",
    GetVringBase,
    ({ index, num }) => ({
      index,
      num: num >> 1,
    }),
  ),
  "stop/10": throughHandler("takes no memory table after the first", () => {
    const set = new WeakSet<object>();
    return {
      [SetMemTable]: (plain, session) => (payload, incoming) => {
        if (set.has(session())) throw new Error("there is one already");
        set.add(session());
        return plain(payload, incoming);
      },
    };
  }),
  "stop/11": throughHandler("stops all rings at once", () => ({
    [GetVringBase]: (plain, session) => async (payload, incoming) => {
      const reply = await plain(payload, incoming);
      for (const vring of session().vrings) await vring.stop();
      return reply;
    },
  })),
  "stop/12": throughChannel("does not answer with its queues while rings are stopped", () => {
    let stopped = false;
    return {
      received: (frame) => {
        stopped ||= frame.header.request === GetVringBase;
        return stopped && frame.header.request === GetQueueNum ? undefined : frame;
      },
    };
  }),
  "stop/15": throughHandler("adds the number in the request to the base", () => ({
    [GetVringBase]: (plain) => async (payload, incoming) => {
      const { index, num } = (await plain(payload, incoming)) as VringState;
      return { index, num: num + (payload as VringState).num };
    },
  })),
};
