import { counted } from "../../../core/base/index.ts";
import {
  BackendRequest,
  FrontendRequest,
  HeaderFlag,
  ProtocolFeature,
  requestSpec,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { FrontendCheck } from "../kit/check.ts";
import { nameOf } from "../kit/back-end/session.ts";
import type { Done, FrontendContext } from "../kit/front-end/context.ts";
import { addressMoments, firstOf, partsOf, payloadOf, sent } from "../kit/front-end/trace.ts";
import { ownBackChannel, serving } from "../kit/front-end/tricks.ts";

const {
  AddMemReg,
  GetFeatures,
  GetProtocolFeatures,
  GetVringBase,
  SetFeatures,
  SetInflightFd,
  SetMemTable,
  SetOwner,
  SetProtocolFeatures,
  SetVringAddr,
  SetVringBase,
  SetVringCall,
  SetVringEnable,
  SetVringErr,
  SetVringKick,
  SetVringNum,
} = FrontendRequest;
const { ConfigureMemSlots, InbandNotifications, ReplyAck, XenMmap } = ProtocolFeature;
const { EventIdx, InOrder, IndirectDesc, LogAll, RingPacked } = VirtioFeature;

const RINGS: readonly number[] = [
  SetVringNum,
  SetVringAddr,
  SetVringBase,
  GetVringBase,
  SetVringKick,
  SetVringCall,
  SetVringErr,
  SetVringEnable,
];
/** Feature bits that no specification defines. */
const UNHEARD_OF = 1n << 40n;
/** Regions in one SET_MEM_TABLE. */
const MAX_REGIONS = 8;

const neededBy = ({ kit }: FrontendContext): bigint => kit.requiredProtocol ?? 0n;

const FLAGS = HeaderFlag.Version | HeaderFlag.NeedReply;

export const fe: readonly FrontendCheck[] = [
  {
    id: "fe/1",
    title: "protocol features are negotiated only where bit 30 is offered",
    strength: "MUST",
    section: "Communication",
    observes: ["request"],
    async run(t) {
      const begun: Done = (mock) => mock.messages.length > 1;
      const [first] = await t.frontend({}, begun);
      if (first?.header.request !== GetFeatures) {
        t.info(`the first message is ${nameOf(first?.header.request ?? 0)}`);
      }
      const without = { virtio: VirtioFeature.ProtocolFeatures };
      const messages = await t.frontend({ without }, begun);
      const gated: readonly number[] = [GetProtocolFeatures, SetProtocolFeatures];
      const spoken = messages.filter(({ header }) => gated.includes(header.request));
      const names = spoken.map(({ header }) => nameOf(header.request));
      t.expect("requests about protocol features, where bit 30 is not offered", names, []);
    },
  },
  {
    id: "fe/2",
    title: "requests have version 1, no reply bit and no reserved bits",
    strength: "MUST",
    section: "Header",
    observes: ["request"],
    async run(t) {
      for (const { header } of await t.frontend()) {
        const { request, flags } = header;
        const plain = flags & ~HeaderFlag.NeedReply;
        t.expectThat(
          `flags of ${nameOf(request)}`,
          plain === HeaderFlag.Version,
          `0x1 or 0x${FLAGS.toString(16)}`,
          `0x${flags.toString(16)}`,
        );
      }
    },
  },
  {
    id: "fe/3",
    title: "need_reply is set only where REPLY_ACK was acknowledged",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["negotiation"],
    async run(t) {
      const messages = await t.frontend({ without: { protocol: ReplyAck } });
      const asking = messages.filter(({ header }) => (header.flags & HeaderFlag.NeedReply) !== 0);
      const names = asking.map(({ header }) => nameOf(header.request));
      t.expect("requests with need_reply, where REPLY_ACK is not offered", names, []);
    },
  },
  {
    id: "fe/5",
    title: "SET_PROTOCOL_FEATURES acknowledges what was offered and is implemented",
    strength: "MUST",
    section: "Protocol features",
    observes: ["negotiation"],
    async run(t) {
      const own = ownBackChannel(t);
      let offered = 0n;
      const strange = XenMmap | UNHEARD_OF;
      const serve = serving({
        [GetProtocolFeatures]: (plain) => async (payload, incoming) =>
          (offered = ((await plain(payload, incoming)) as bigint) | strange),
        [SetProtocolFeatures]: (plain) => (payload, incoming) =>
          plain((payload as bigint) & ~strange, incoming),
      });
      const handler: typeof serve.handler = (request, plain) =>
        own.hooks.handler?.(request, serve.handler?.(request, plain) ?? plain) ?? plain;
      const messages = await t.frontend({ optional: InbandNotifications, handler });
      const acknowledged = sent(messages, SetProtocolFeatures);
      if (acknowledged.length === 0) t.skip("it sends no SET_PROTOCOL_FEATURES");
      for (const { value } of acknowledged) {
        t.expect("acknowledged bits that were not offered", value & ~offered, 0n);
        t.expect("acknowledged bits that nothing implements", value & strange & ~XenMmap, 0n);
        t.expect("VHOST_USER_PROTOCOL_F_XEN_MMAP without Xen", value & XenMmap, 0n);
        if ((value & InbandNotifications) === 0n) continue;
        const { VringCall } = BackendRequest;
        const channel = own.channel() ?? t.skip("INBAND_NOTIFICATIONS, and no back-end channel");
        await channel.send(VringCall, new Uint8Array(8), { flags: 9 });
        const answer = await channel.next();
        const ack = typeof answer === "string" ? answer : `${answer.payload[0]}`;
        t.expect("BACKEND_VRING_CALL, as INBAND_NOTIFICATIONS is acknowledged", ack, "0");
      }
    },
  },
  {
    id: "fe/6",
    title: "SET_FEATURES acknowledges only what was offered",
    strength: "MUST",
    section: "VHOST_USER_SET_FEATURES",
    observes: ["negotiation"],
    async run(t) {
      const virtio = EventIdx | IndirectDesc | RingPacked | InOrder | LogAll;
      const { mock } = await t.meet({ without: { virtio } });
      let count = 0;
      for (const { session, messages } of mock.conversations) {
        for (const { value } of sent(messages, SetFeatures)) {
          t.expect("acknowledged bits that were not offered", value & ~session.features, 0n);
          count += 1;
        }
      }
      if (count === 0) t.skip("it sends no SET_FEATURES");
    },
  },
  {
    id: "fe/7",
    title: "requests of a protocol feature are sent only where it was acknowledged",
    strength: "MUST",
    section: "Protocol features",
    observes: ["negotiation"],
    async run(t) {
      const messages = await t.frontend({ without: { protocol: ~neededBy(t) } });
      for (const { header } of messages) {
        const needed = requestSpec("front-end", header.request)?.requires.protocol ?? 0n;
        const lacking = needed & ~neededBy(t);
        t.expect(`features that ${nameOf(header.request)} needs, not offered`, lacking, 0n);
      }
    },
  },
  {
    id: "fe/9",
    title: "SET_OWNER is sent once, before anything about rings",
    strength: "MUST",
    section: "VHOST_USER_SET_OWNER",
    observes: ["negotiation"],
    async run(t) {
      let count = 0;
      for (const { messages } of (await t.meet()).mock.conversations) {
        const rings = firstOf(messages, RINGS);
        const owners = sent(messages, SetOwner);
        if (owners.length === 0 && rings === messages.length) continue;
        count += 1;
        t.expect("number of SET_OWNER in a session", owners.length, 1);
        const [owner] = owners;
        const order = `SET_OWNER is message ${owner?.at}, the first about rings ${rings}`;
        t.expectThat("order", (owner?.at ?? 0) < rings, "SET_OWNER first", order);
      }
      if (count === 0) t.skip("it sends neither SET_OWNER nor anything about rings");
    },
  },
  {
    id: "fe/10",
    title:
      "memory is shared before ring addresses are set, in at most 8 regions with a descriptor each",
    strength: "MUST",
    section: "VHOST_USER_SET_MEM_TABLE",
    observes: ["memory"],
    async run(t) {
      let count = 0;
      for (const protocol of [0n, ConfigureMemSlots]) {
        const messages = await t.frontend({ without: { protocol } });
        count += sent(messages, SetMemTable).length + sent(messages, AddMemReg).length;
        for (const { value, message } of sent(messages, SetMemTable)) {
          const { length } = value.regions;
          t.expectThat("regions in a table", length <= MAX_REGIONS, "8 at most", length);
          t.expect("descriptors with SET_MEM_TABLE", message.fds, length);
        }
        for (const { message } of sent(messages, AddMemReg)) {
          t.expect("descriptors with ADD_MEM_REG", message.fds, 1);
        }
        const [addresses] = addressMoments(messages);
        const known = addresses === undefined || addresses.regions.length > 0;
        t.expectThat("SET_VRING_ADDR", known, "memory before it", "no region was shared");
      }
      if (count === 0) t.skip("it shares no memory");
    },
  },
  {
    id: "fe/14",
    title: "SET_VRING_NUM, BASE and ADDR come before a ring starts",
    strength: "MUST",
    section: "Ring states",
    observes: ["start"],
    async run(t) {
      let count = 0;
      for (const { messages } of (await t.meet()).mock.conversations) {
        for (const { at, value } of sent(messages, SetVringKick)) {
          count += 1;
          for (const request of [SetVringNum, SetVringBase, SetVringAddr] as const) {
            const before = sent(messages.slice(0, at), request);
            const known = before.some((each) => each.value.index === value.index);
            const what = `SET_VRING_KICK of ring ${value.index}`;
            t.expectThat(what, known, `${nameOf(request)} before it`, "there was none");
          }
        }
      }
      if (count === 0) t.skip("it started no ring");
    },
  },
  {
    id: "fe/15",
    title: "the parts of a ring are aligned and within shared memory",
    strength: "MUST",
    section: "A vring address description",
    observes: ["start"],
    async run(t) {
      const messages = await t.frontend();
      const acknowledged = sent(messages, SetProtocolFeatures).at(-1)?.value ?? 0n;
      const guest = (acknowledged & ProtocolFeature.GpaAddresses) !== 0n;
      const moments = addressMoments(messages);
      if (moments.length === 0) t.skip("it started no ring");
      for (const moment of moments) {
        if ((moment.features & VirtioFeature.AccessPlatform) !== 0n) continue;
        for (const { name, address, bytes, alignment } of partsOf(moment)) {
          const text = `0x${address.toString(16)}`;
          const what = `${name} area of ring ${moment.address.index}`;
          t.expectThat(what, address % alignment === 0n, `a multiple of ${alignment}`, text);
          const inside = moment.regions.some(({ guestAddress, userAddress, size }) => {
            const start = guest ? guestAddress : userAddress;
            return address >= start && address + BigInt(bytes) <= start + size;
          });
          t.expectThat(what, inside, `${counted(bytes, "byte")} within a region`, text);
        }
      }
    },
  },
  {
    id: "fe/17",
    title:
      "rings are enabled where bit 30 was acknowledged, and SET_VRING_ENABLE is not sent elsewhere",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_ENABLE",
    observes: ["start"],
    async run(t) {
      const without = { virtio: VirtioFeature.ProtocolFeatures };
      const plain = await t.frontend({ without });
      t.expect("SET_VRING_ENABLE without bit 30", sent(plain, SetVringEnable).length, 0);
      const messages = await t.frontend();
      const [acknowledged] = sent(messages, SetFeatures)
        .slice(-1)
        .map(({ value }) => value);
      if (acknowledged === undefined) return t.skip("it sends no SET_FEATURES");
      const gated = (acknowledged & VirtioFeature.ProtocolFeatures) !== 0n;
      const enables = sent(messages, SetVringEnable);
      if (!gated) return t.expect("SET_VRING_ENABLE without bit 30", enables.length, 0);
      const started = sent(messages, SetVringKick).map(({ value }) => value.index);
      if (started.length === 0) t.skip("it started no ring");
      const enabled = enables.flatMap(({ value }) => (value.num === 1 ? [value.index] : []));
      // The guest enables the pairs of a network card beyond the first one.
      const some = started.some((index) => enabled.includes(index));
      const actual = `started: ${started.join(", ")}; enabled: ${enabled.join(", ") || "none"}`;
      t.expectThat("SET_VRING_ENABLE", some, "a ring that is started and enabled", actual);
    },
  },
  {
    id: "fe/54",
    title: "no ring is larger than the queue size in SET_INFLIGHT_FD",
    strength: "MUST",
    section: "Inflight I/O tracking",
    observes: ["start"],
    async run(t) {
      let room = 0;
      for (const message of await t.frontend()) {
        const { request } = message.header;
        if (request === SetInflightFd) room = payloadOf(message, SetInflightFd).queueSize;
        if (request !== SetVringNum || room === 0) continue;
        const { index, num } = payloadOf(message, SetVringNum);
        t.expectThat(`entries of ring ${index}`, num <= room, `at most ${room}`, num);
      }
      if (room === 0) t.skip("it sends no SET_INFLIGHT_FD");
    },
  },
];
