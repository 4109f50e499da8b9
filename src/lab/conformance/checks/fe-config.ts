import { counted } from "../../../core/base/index.ts";
import { BackendRequest, FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { FrontendCheck } from "../kit/check.ts";
import { soon } from "../kit/back-end/soon.ts";
import { hasStarted } from "../kit/front-end/context.ts";
import { sent } from "../kit/front-end/trace.ts";
import { serving } from "../kit/front-end/tricks.ts";
import { withBackChannel } from "./fe-channel.ts";

const { GetConfig, GetFeatures, SetBackendReqFd, SetConfig, SetFeatures, SetProtocolFeatures } =
  FrontendRequest;
const { Config } = ProtocolFeature;
/** Bytes of the largest configuration space (specification: VHOST_USER_MAX_CONFIG_SIZE of QEMU). */
const MOST_BYTES = 256;

/** Checks of the configuration space, besides those of its form. */
export const feConfig: readonly FrontendCheck[] = [
  {
    id: "fe/32",
    title: "the configuration is read again after BACKEND_CONFIG_CHANGE_MSG",
    strength: "SHOULD",
    section: "VHOST_USER_BACKEND_CONFIG_CHANGE_MSG",
    observes: ["config", "start"],
    async run(t) {
      const { channel, frontend } = await withBackChannel(t);
      const reads = (): number => sent(frontend.mock.messages, GetConfig).length;
      if (!hasStarted(frontend.mock)) t.skip("it started no ring");
      const before = reads();
      if (before === 0) t.skip("it reads no configuration");
      await channel.send(BackendRequest.ConfigChangeMsg);
      const again = await soon(() => reads() > before || undefined, t.times.againMs);
      t.expectThat(
        "after BACKEND_CONFIG_CHANGE_MSG",
        again === true,
        "another GET_CONFIG",
        "none within the time",
      );
    },
  },
  {
    id: "fe/33",
    title: "what a driver writes to the configuration is sent with flags 0",
    strength: "MUST",
    section: "VHOST_USER_SET_CONFIG; Virtio device config space",
    observes: ["config"],
    async run(t) {
      const { kind, writableField } = t.kit;
      if (writableField === undefined)
        return t.skip(`drivers of ${kind.name} devices write no configuration`);
      const { feature, offset, size } = writableField;
      const frontend = await t.meet(
        serving({
          [GetFeatures]: (plain) => async (payload, incoming) =>
            ((await plain(payload, incoming)) as bigint) | feature,
          [SetFeatures]: (plain) => (payload, incoming) =>
            plain((payload as bigint) & ~feature, incoming),
          [SetConfig]: () => () => undefined,
        }),
      );
      const writes = (): ReturnType<typeof sent<typeof SetConfig>> =>
        sent(frontend.mock.messages, SetConfig);
      await soon(() => writes().length > 0 || frontend.run.end, t.times.againMs);
      if (writes().length === 0) t.skip("its driver writes no configuration");
      for (const { value } of writes()) {
        t.expect("flags of SET_CONFIG", value.flags, 0);
        const end = value.offset + value.data.length;
        const isField = value.offset >= offset && end <= offset + size;
        if (!isField) t.info(`it writes ${counted(value.data.length, "byte")} at ${value.offset}`);
      }
    },
  },
  {
    id: "fe/61",
    title: "GET_CONFIG stays within the device's configuration structure, and has flags 0",
    strength: "SHOULD",
    section: "Virtio device config space",
    observes: ["config"],
    async run(t) {
      const most = t.kit.config?.structureBytes ?? MOST_BYTES;
      const reads = sent(await t.frontend(), GetConfig);
      if (reads.length === 0) t.skip("it reads no configuration");
      for (const { value } of reads) {
        const end = value.offset + value.data.length;
        t.expectThat("end of what GET_CONFIG reads", end <= most, `${most} at most`, end);
        t.expect("flags of GET_CONFIG", value.flags, 0);
      }
    },
  },
  {
    id: "fe/62",
    title: "a front-end that uses CONFIG gives the back-end a channel for changes",
    strength: "SHOULD",
    section: "Back-end communication; VHOST_USER_BACKEND_CONFIG_CHANGE_MSG",
    observes: ["negotiation", "start"],
    async run(t) {
      const { mock } = await t.meet();
      if (!hasStarted(mock)) t.skip("it started no ring");
      for (const { messages } of mock.conversations) {
        const acknowledged = sent(messages, SetProtocolFeatures).at(-1)?.value ?? 0n;
        if ((acknowledged & Config) === 0n) t.skip("it does not acknowledge CONFIG");
        const given = messages.some(({ header }) => header.request === SetBackendReqFd);
        t.expectThat("SET_BACKEND_REQ_FD", given, "sent, as CONFIG is acknowledged", "not sent");
      }
    },
  },
];
