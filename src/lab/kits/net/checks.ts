import { counted } from "../../../core/base/index.ts";
import { GSO_NONE, LONG_HEADER_BYTES, NetFeature } from "../../../endpoints/devices/net/layout.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../../conformance/kit/check.ts";
import type { CheckContext } from "../../conformance/kit/back-end/context.ts";
import { echoOf, type Packet, restOf } from "./echo.ts";
import { FRAME_BYTES } from "./frames.ts";

const { NetSetMtu, SendRarp } = FrontendRequest;
const HEADER = LONG_HEADER_BYTES;
/** With VIRTIO_F_VERSION_1 headers have 12 bytes, whatever else was acknowledged. */
const NEEDS = { device: ["net"], request: true, virtio: VirtioFeature.Version1 } as const;
const MERGED = { ...NEEDS, virtio: VirtioFeature.Version1 | NetFeature.MrgRxbuf } as const;
const MTU = {
  device: ["net"],
  virtio: NetFeature.Mtu,
  protocol: ProtocolFeature.Mtu | ProtocolFeature.ReplyAck,
} as const;
const LARGE_FRAME = 1514;
const JUMBO_FRAME = 9000;
const MERGED_BUFFER = 1024;
/** A receive buffer that is too small for a frame of {@link MIDDLE_FRAME} bytes. */
const SMALL_BUFFER = 64;
const MIDDLE_FRAME = 200;
const ALL_ONES = 0xffff;

const MTU_BYTES = 1500;
/** Ethernet's, with a tag of a VLAN. */
const LONGEST_FRAME_HEADER = 18;
/** The payload of SEND_RARP, and the request of RFC 903 that is due, without the MAC address. */
const MOVED = Buffer.from("525400c0ffee", "hex");
const RARP_HEAD = Buffer.from("80350001080006040003", "hex");

/** @throws {CaseFailure} the received bytes or their number differ */
function expectSame(t: CheckContext, { sent, bytes, frameAt }: Packet): void {
  const wanted = restOf(sent);
  const got = restOf(bytes, frameAt);
  t.expect("bytes behind the addresses", got.length, wanted.length);
  t.expectData("the frame", got, wanted);
}

/** @throws {CaseFailure} it is not spread over buffers as it should be */
function expectMerged(t: CheckContext, packet: Packet): void {
  const { sent, parts, numBuffers } = packet;
  t.expect("num_buffers", numBuffers, Math.ceil((HEADER + sent.length) / MERGED_BUFFER));
  t.expect("buffers", parts.length, numBuffers);
  const lengths = parts.map(({ written }) => written);
  const full = lengths.slice(0, -1).every((written) => written === MERGED_BUFFER);
  t.expectThat("buffers in front of the last", full, `${MERGED_BUFFER} bytes each`, lengths);
  const together = parts.every(({ look }) => look === parts[0]?.look);
  t.expectThat("its buffers", together, "published together", "one after another");
  expectSame(t, packet);
}

/**
 * A packet that breaks the rules may be used or not, and does no harm.
 *
 * @throws {CaseFailure}
 */
async function expectHarmless(t: CheckContext, packet: Uint8Array): Promise<void> {
  const { session, memory, ring } = await t.bringUp();
  ring.push([memory.holding(packet)], []);
  await session.alive();
  await ring.completion(t.times.graceMs);
  await t.survive(session, memory);
  t.closeSessions();
  await (await t.bringUp()).request();
  t.closeSessions();
}

export const net: readonly Check[] = [
  {
    id: "net/1",
    title: "a frame that is transmitted leaves the back-end as it is",
    strength: "MUST",
    section: "VIRTIO 5.1.6, 5.1.6.2",
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      expectSame(t, await (await echoOf(t)).expectTrip());
    },
  },
  {
    id: "net/2",
    title: "a frame arrives in one buffer, behind a header of 12 bytes with num_buffers 1",
    strength: "MUST",
    section: "VIRTIO 5.1.6.3.2, 5.1.6.4.1",
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const { bytes, frameAt, numBuffers } = await (await echoOf(t)).expectTrip();
      t.expect("bytes in front of the frame", frameAt, HEADER);
      t.expect("used length", bytes.length, HEADER + FRAME_BYTES);
      t.expect("num_buffers", numBuffers, 1);
    },
  },
  {
    id: "net/3",
    title: "a large frame fills buffers one after another, is counted, and published at once",
    strength: "MUST",
    section: "VIRTIO 5.1.6.4.1",
    observes: ["data"],
    needs: MERGED,
    async run(t) {
      const virtio = t.usualVirtio | NetFeature.MrgRxbuf;
      const echo = await echoOf(t, { virtio, bufferBytes: MERGED_BUFFER });
      expectMerged(t, await echo.expectTrip(LARGE_FRAME));
      const jumbo = await echo.trip(echo.frame(JUMBO_FRAME));
      if (jumbo === undefined) t.info(`frames of ${JUMBO_FRAME} bytes are not received`);
      else expectMerged(t, jumbo);
    },
  },
  {
    id: "net/4",
    title: "a frame that is larger than a receive buffer is not written beyond it",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.1.6.3.2",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      await (await echoOf(t)).expectTrip();
      t.closeSessions();
      const echo = await echoOf(t, { bufferBytes: SMALL_BUFFER });
      await echo.transmit(echo.frame(MIDDLE_FRAME));
      const packet = await echo.receive(t.times.graceMs);
      t.info(
        packet === undefined ? "dropped" : `${counted(packet.bytes.length, "byte")} of it arrive`,
      );
      const { overlongCompletions } = echo.receiving.queue;
      t.expect("buffers with a used length beyond their room", overlongCompletions, 0);
      await t.survive(echo.device.session, echo.device.memory);
    },
  },
  {
    id: "net/5",
    title:
      "a disabled receive ring gets no frame, and what a disabled transmit ring has is dropped",
    strength: "MUST",
    section: "Ring states",
    observes: ["data"],
    needs: { ...NEEDS, virtio: NEEDS.virtio | VirtioFeature.ProtocolFeatures },
    async run(t) {
      const echo = await echoOf(t);
      await echo.expectTrip();
      const { ring: transmitting, session } = echo.device;
      await echo.receiving.enable(false);
      await session.alive();
      await echo.transmit(echo.frame());
      const early = await echo.receive(t.times.graceMs);
      t.expectThat("a disabled receive ring", early === undefined, "no frame", "one");
      await echo.receiving.enable();
      await transmitting.enable(false);
      await session.alive();
      const dropped = echo.frame();
      echo.push(dropped);
      const used = (await transmitting.completion()) !== undefined;
      await transmitting.enable();
      const last = echo.frame();
      echo.push(last);
      const came = await echo.until(last);
      t.expectThat("rings that are enabled again", came.includes(last), "frames", "none");
      const actual = `${used ? "used" : "left there"}, ${came.includes(dropped) ? "sent" : "not sent"}`;
      const right = used && !came.includes(dropped);
      t.expectThat("a frame in a disabled transmit ring", right, "used, not sent", actual);
    },
  },
  {
    id: "net/8",
    title: "a packet that is shorter than its header does no harm",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.1.6, 5.1.6.2",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const length of [4, HEADER - 1]) await expectHarmless(t, new Uint8Array(length));
    },
  },
  {
    id: "net/10",
    title: "a packet without a frame, and one with a frame beyond all measure, do no harm",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.1.6.2",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const frame of [0, 70_000]) await expectHarmless(t, new Uint8Array(HEADER + frame));
    },
  },
  {
    id: "net/11",
    title: "NET_SET_MTU takes 1500, and nothing below 68 or above 65535",
    strength: "MUST",
    section: "VHOST_USER_NET_SET_MTU; VIRTIO 5.1.4.1",
    observes: ["refusal"],
    needs: MTU,
    async run(t) {
      const virtio = t.usualVirtio | MTU.virtio;
      await (await t.negotiatedSession(virtio, MTU.protocol)).set(NetSetMtu, 1500n);
      for (const mtu of [10n, 67n, 70_000n]) {
        t.closeSessions();
        const session = await t.negotiatedSession(virtio, MTU.protocol);
        t.reject(`an MTU of ${mtu}`, await session.attempt(NetSetMtu, mtu));
      }
    },
  },
  {
    id: "net/12",
    title: "SEND_RARP has the guest's MAC address announced",
    strength: "SHOULD",
    section: "VHOST_USER_SEND_RARP",
    observes: ["data"],
    needs: { ...NEEDS, protocol: ProtocolFeature.Rarp },
    async run(t) {
      const protocol = ProtocolFeature.Rarp | ProtocolFeature.ReplyAck;
      const echo = await echoOf(t, { protocol });
      await echo.expectTrip();
      const broadcast = Buffer.alloc(6, 0xff);
      const due = Buffer.concat([broadcast, MOVED, RARP_HEAD, MOVED, Buffer.alloc(4), MOVED]);
      echo.expect(due, 12, 12 + RARP_HEAD.length);
      await echo.device.session.set(SendRarp, BigInt(MOVED.readUIntLE(0, 6)));
      const packet = await echo.receive();
      if (packet === undefined) return t.info("accepted; what comes of it cannot be seen");
      const got = restOf(packet.bytes, packet.frameAt).subarray(0, due.length - 12);
      t.expect("what is announced", got.toString("hex"), restOf(due).toString("hex"));
    },
  },
  {
    id: "net/13",
    title: "a receive ring that was empty goes on as it gets buffers",
    strength: "MUST",
    section: "VIRTIO 5.1.6.3",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const echo = await echoOf(t, { buffers: 1 });
      await echo.expectTrip();
      for (let i = 0; i < 3; i += 1) await echo.transmit(echo.frame());
      await echo.device.session.alive();
      echo.supply(8);
      const last = echo.frame();
      await echo.transmit(last);
      const came = await echo.until(last);
      t.info(`${came.length - 1} of 3 frames waited for buffers`);
      t.expectThat(
        "a frame, once there are buffers",
        came.includes(last),
        "it comes",
        "it does not",
      );
    },
  },
  {
    id: "net/14",
    title: "nothing is said to be written to a packet that is transmitted",
    strength: "MUST",
    section: "VIRTIO 2.7.8.2",
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const { ring, memory } = await t.bringUp();
      ring.push(t.kit.request(memory).readable, []);
      const { length } = await ring.expectCompletion("a frame to transmit");
      t.expect("used length", length, 0);
    },
  },
  {
    id: "net/18",
    title: "without NEEDS_CSUM, check sum fields and unknown flags of a header mean nothing",
    strength: "MUST",
    section: "VIRTIO 5.1.6.2.2",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const echo = await echoOf(t);
      await echo.expectTrip();
      const header = Buffer.alloc(HEADER);
      header.writeUInt8(0x80, 0);
      header.writeUInt16LE(ALL_ONES, 6);
      header.writeUInt16LE(ALL_ONES, 8);
      const packet = await echo.trip(echo.frame(), header);
      if (packet === undefined)
        return t.fail("a frame with an unknown flag", "it is received", "it is not");
      expectSame(t, packet);
    },
  },
  {
    id: "net/19",
    title: "a receive header shows no offload that was not acknowledged",
    strength: "MUST",
    section: "VIRTIO 5.1.6.4.1",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const [flags] = (await (await echoOf(t)).expectTrip()).bytes;
      t.expect("flags", flags, 0);
      for (const bit of [0n, NetFeature.GuestCsum & t.facts.virtio]) {
        t.closeSessions();
        const echo = await echoOf(t, { virtio: t.usualVirtio | bit });
        const [, gsoType] = (await echo.expectTrip()).bytes;
        t.expect("gso_type", gsoType, GSO_NONE);
      }
    },
  },
  {
    id: "net/21",
    title: "a frame of the MTU passes, and a larger one does not",
    strength: "MUST",
    section: "VIRTIO 5.1.4.1",
    observes: ["data"],
    needs: { ...NEEDS, ...MTU, virtio: NEEDS.virtio | MTU.virtio },
    async run(t) {
      const session = await t.negotiatedSession(t.usualVirtio | MTU.virtio, MTU.protocol);
      await session.set(NetSetMtu, BigInt(MTU_BYTES));
      const echo = await echoOf(t, { session, bufferBytes: 2048 });
      expectSame(t, await echo.expectTrip(LARGE_FRAME));
      const larger = echo.frame(LONGEST_FRAME_HEADER + MTU_BYTES + 1);
      await echo.transmit(larger);
      const last = echo.frame();
      await echo.transmit(last);
      const passed = (await echo.until(last)).includes(larger);
      t.expectThat(`a frame of ${counted(larger.length, "byte")}`, !passed, "dropped", "it comes");
    },
  },
];
