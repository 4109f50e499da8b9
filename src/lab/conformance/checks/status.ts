import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { writesOn } from "../kit/back-end/effect.ts";

const { GetStatus, SetStatus } = FrontendRequest;
const PROTOCOL = ProtocolFeature.Status | ProtocolFeature.ReplyAck;
const NEEDS = { protocol: ProtocolFeature.Status } as const;
/** VIRTIO 2.1: ACKNOWLEDGE, DRIVER, FEATURES_OK and DRIVER_OK, in this order. */
const STEPS = [1n, 3n, 11n, 15n];
/** VIRTIO 2.1: the device may say at any time that it needs a reset. */
const NEEDS_RESET = 0x40n;

export const status: readonly Check[] = [
  {
    id: "status/1",
    title: "the status of a new session is 0",
    strength: "SHOULD",
    section: "VHOST_USER_GET_STATUS; VIRTIO 2.1",
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      t.expect("status", await session.call(GetStatus), 0n);
    },
  },
  {
    id: "status/2",
    title: "a status that was set is read back",
    strength: "MUST",
    section: "VHOST_USER_SET_STATUS",
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      for (const value of STEPS) {
        await session.set(SetStatus, value);
        t.expect("status", (await session.call(GetStatus)) & ~NEEDS_RESET, value);
      }
    },
  },
  {
    id: "status/4",
    title: "status 0 resets the device: its status is 0, and its rings have no effects",
    strength: "MUST",
    section: "VIRTIO 2.4.1",
    observes: ["effect"],
    needs: { ...NEEDS, request: true },
    async run(t) {
      const control = async (): Promise<RunningDevice> => t.bringUp({ protocol: PROTOCOL });
      const inReset = async (): Promise<RunningDevice> => {
        const device = await control();
        await device.request();
        await device.session.set(SetStatus, 0n);
        t.expect("status", await device.session.call(GetStatus), 0n);
        return device;
      };
      const effect = await writesOn(t, inReset, { control });
      t.expect("a write was done", effect, false);
    },
  },
  {
    id: "status/7",
    title: "where STATUS was not acknowledged, rings work without a status",
    strength: "MUST",
    section: "VHOST_USER_SET_STATUS",
    observes: ["data"],
    needs: { request: true },
    run: async (t) => (await t.bringUp({ protocol: ProtocolFeature.ReplyAck })).request(),
  },
];
