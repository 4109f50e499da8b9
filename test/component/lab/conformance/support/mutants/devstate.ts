import type { BackendSession, DeviceState } from "../../../../../../src/endpoints/backend/index.ts";
import { EventFd } from "../../../../../../src/core/os/index.ts";
import {
  type DeviceStateParams,
  FrontendRequest,
  TransferDirection,
} from "../../../../../../src/core/protocol/index.ts";
import { type Mutant, type Serving, throughChannel, throughHandler } from "../mutant.ts";
import { withCapabilities } from "../../../../../support/capability.ts";

const { CheckDeviceState, SetDeviceStateFd, SetVringKick } = FrontendRequest;
const { Load, Save } = TransferDirection;
const ON_FS = { base: "fs" } as const;
const DONE = 0x100n;

const directionOf = (payload: unknown): number => (payload as DeviceStateParams).direction;

/** Serves SET_DEVICE_STATE_FD in its own way. */
const opens = (summary: string, serve: Serving): Mutant =>
  throughHandler(summary, () => ({ [SetDeviceStateFd]: serve }), ON_FS);

/** Its device saves or loads in its own way. */
const withState = (
  fault: string,
  change: (state: DeviceState) => Partial<DeviceState>,
): Mutant => ({
  ...ON_FS,
  fault,
  apply: (options) => ({
    ...options,
    device: () => {
      const device = options.device();
      const { migration: state } = device.capabilities ?? {};
      if (state === undefined) return device;
      const plain: DeviceState = {
        save: () => state.save(),
        load: async (from) => state.load(from),
      };
      return withCapabilities(device, { migration: { ...plain, ...change(state) } });
    },
  }),
});

/** Loads what is not whole, or not a state at all, as if it were nothing. */
const swallows = (fault: string, when: (text: string) => boolean): Mutant =>
  withState(fault, (state) => ({
    async load(from) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of from) chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (when(all.toString("latin1"))) return;
      await state.load(
        (async function* () {
          yield all;
        })(),
      );
    },
  }));

export const devstate: Readonly<Record<string, Mutant>> = {
  "devstate/1": {
    ...ON_FS,
    fault: "keeps the pipe of a state open",
    apply: (options, world) => ({
      ...options,
      handler: (number, plain) => (payload, incoming) => {
        const [fd] = incoming.fds;
        if (number === SetDeviceStateFd && fd) world.leak(fd.duplicate());
        return plain(payload, incoming);
      },
    }),
  },
  "devstate/2": opens("sends a descriptor with an error", (plain) => async (payload, incoming) => {
    const value = await plain(payload, incoming);
    if (value === DONE) return value;
    incoming.replyFds.push(EventFd.create().descriptor);
    return 1n;
  }),
  "devstate/3": throughHandler(
    "says that a state that was saved was not",
    () => {
      let direction: number = Load;
      return {
        [SetDeviceStateFd]: (plain) => (payload, incoming) => {
          direction = directionOf(payload);
          return plain(payload, incoming);
        },
        [CheckDeviceState]: (plain) => async (payload, incoming) => {
          const value = await plain(payload, incoming);
          return direction === Save ? 1n : value;
        },
      };
    },
    ON_FS,
  ),
  "devstate/4": throughChannel(
    "is deaf while it waits for a state",
    () => {
      let waits = false;
      return {
        received: (frame) => {
          if (waits) return undefined;
          waits = frame.header.request === SetDeviceStateFd && frame.payload[0] === Load;
          return frame;
        },
      };
    },
    "fs",
  ),
  "devstate/5": withState("does not save what is open", (state) => ({
    async *save() {
      for await (const chunk of state.save()) {
        const document = JSON.parse(Buffer.from(chunk).toString()) as { state: object };
        yield Buffer.from(
          JSON.stringify({ ...document, state: { ...document.state, handles: [] } }),
        );
      }
    },
  })),
  "devstate/6": swallows(
    "is content with a part of a state",
    (text) => text.startsWith("{") && !text.endsWith("}"),
  ),
  "devstate/7": swallows("takes anything for a state", (text) => !text.startsWith("{")),
  "devstate/8": {
    ...ON_FS,
    fault: "dies by SIGPIPE if its state is not read",
    apply: (options, world) => {
      let direction: number = Load;
      return {
        ...options,
        handler: (number, plain) => async (payload, incoming) => {
          if (number === SetDeviceStateFd) direction = directionOf(payload);
          const value: unknown = await plain(payload, incoming);
          if (number === CheckDeviceState && direction === Save && value !== 0n) {
            world.crash("SIGPIPE");
          }
          return value;
        },
      };
    },
  },
  "devstate/9": throughChannel(
    "dies by SIGSEGV of CHECK_DEVICE_STATE where nothing was transferred",
    (world) => {
      let begun = false;
      return {
        received: (frame) => {
          begun ||= frame.header.request === SetDeviceStateFd;
          if (begun || frame.header.request !== CheckDeviceState) return frame;
          world.crash("SIGSEGV");
          return undefined;
        },
      };
    },
    "fs",
  ),
  "devstate/10": opens(
    "knows two directions, whatever it is asked for",
    (plain) => (payload, incoming) =>
      plain({ ...(payload as DeviceStateParams), direction: directionOf(payload) & 1 }, incoming),
  ),
  "devstate/11": opens(
    "takes a transfer while rings run",
    (plain, session) => (payload, incoming) =>
      session().suspended ? plain(payload, incoming) : DONE,
  ),
  "devstate/12": throughHandler(
    "starts no ring once its state was saved",
    () => {
      const over = new WeakSet<BackendSession>();
      return {
        [SetDeviceStateFd]: (plain, session) => (payload, incoming) => {
          if (directionOf(payload) === Save) over.add(session());
          return plain(payload, incoming);
        },
        [SetVringKick]: (plain, session) => (payload, incoming) => {
          if (over.has(session())) throw new Error("refused after a save");
          return plain(payload, incoming);
        },
      };
    },
    ON_FS,
  ),
};
