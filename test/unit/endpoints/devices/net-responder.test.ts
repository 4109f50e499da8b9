import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TimeoutError, UsageError } from "../../../../src/core/base/index.ts";
import {
  arpRequest,
  BROADCAST_MAC,
  checksum,
  decodeArp,
  decodeEthernet,
  decodeIpv4,
  decodeUdp,
  describeFrame,
  dhcpAskFrame,
  dhcpOf,
  DhcpType,
  ethernetFrame,
  icmpFrame,
  icmpMessage,
  IcmpType,
  ipv4Frame,
  ipv4Frames,
  IpProtocol,
  NetResponder,
  NetStation,
  putU16,
  Reassembly,
  testFrame,
  udpFrame,
} from "../../../../src/endpoints/devices/net/index.ts";

const CLIENT = { mac: "52:54:00:ab:cd:ef", address: "10.0.2.2" };
const SERVER = { mac: "52:54:00:00:00:01", address: "10.0.2.1" };
const ECHO = Uint8Array.of(0x12, 0x34, 0, 1, 1, 2, 3, 4, 5);

const answerTo = (frame: Uint8Array, responder = new NetResponder()): string => {
  const answers = responder.answer(frame);
  return answers.length === 0 ? "nothing" : answers.map(describeFrame).join("\n");
};

test("who asks for the station's address by ARP gets its MAC address", () => {
  assert.equal(
    answerTo(arpRequest(CLIENT, "10.0.2.1")),
    "52:54:00:00:00:01 > 52:54:00:ab:cd:ef ARP 10.0.2.1 is at 52:54:00:00:00:01, 60 bytes",
  );
  assert.equal(answerTo(arpRequest(CLIENT, "10.0.2.3")), "nothing");
});

test("an echo is answered with the same data and correct checksums", () => {
  const [answer] = new NetResponder().answer(icmpFrame(CLIENT, SERVER, IcmpType.EchoRequest, ECHO));
  const ethernet = decodeEthernet(answer ?? new Uint8Array());
  assert.deepEqual([ethernet?.source, ethernet?.destination], [SERVER.mac, CLIENT.mac]);
  const payload = ethernet?.payload ?? new Uint8Array();
  assert.equal(checksum(payload.subarray(0, 20)), 0);
  const packet = decodeIpv4(payload);
  assert.deepEqual([packet?.source, packet?.destination], [SERVER.address, CLIENT.address]);
  assert.equal(checksum(packet?.payload ?? ECHO), 0);
  assert.deepEqual(packet?.payload.slice(4), ECHO);
  assert.equal(packet.payload[0], IcmpType.EchoReply);
});

test("echoes for other stations, damaged ones and answers are left alone", () => {
  const echo = icmpFrame(CLIENT, SERVER, IcmpType.EchoRequest, ECHO);
  const changed = (at: number): Uint8Array => {
    const frame = echo.slice();
    frame[at] = (frame[at] ?? 0) ^ 0x10;
    return frame;
  };
  assert.notEqual(answerTo(echo), "nothing");
  // The station's MAC address, its IPv4 address, the data, the fragment's offset.
  for (const at of [5, 33, 45, 21]) assert.equal(answerTo(changed(at)), "nothing", `byte ${at}`);
  assert.equal(answerTo(icmpFrame(CLIENT, SERVER, IcmpType.EchoReply, ECHO)), "nothing");
});

test("DISCOVER is answered by OFFER and REQUEST by ACK, with address, mask, router and time", () => {
  const responder = new NetResponder({
    address: "192.168.7.1/25",
    lease: "192.168.7.9",
    leaseSeconds: 90_000,
  });
  const ask = { xid: 0xfeed_beef, mac: CLIENT.mac };
  for (const [asked, answered] of [
    [DhcpType.Discover, DhcpType.Offer],
    [DhcpType.Request, DhcpType.Ack],
  ] as const) {
    const [answer] = responder.answer(dhcpAskFrame({ ...ask, type: asked }));
    assert.deepEqual(dhcpOf(answer ?? new Uint8Array()), {
      type: answered,
      fromClient: false,
      xid: 0xfeed_beef,
      clientMac: CLIENT.mac,
      yourAddress: "192.168.7.9",
      server: "192.168.7.1",
      mask: "255.255.255.128",
      router: "192.168.7.1",
      leaseSeconds: 90_000,
    });
  }
});

test("a REQUEST for another address is refused; one for another server is not ours", () => {
  const responder = new NetResponder();
  const ask = { type: DhcpType.Request, xid: 7, mac: CLIENT.mac };
  const [answer] = responder.answer(dhcpAskFrame({ ...ask, requestedAddress: "10.0.2.99" }));
  assert.equal(dhcpOf(answer ?? new Uint8Array())?.type, DhcpType.Nak);
  assert.equal(answerTo(dhcpAskFrame({ ...ask, server: "10.0.2.250" })), "nothing");
});

test("the lease is the address after the station's own, or before it at the network's end", () => {
  const lease = (address: string): string => new NetResponder({ address }).lease;
  assert.equal(lease("10.0.2.1/24"), "10.0.2.2");
  assert.equal(lease("10.0.2.254/24"), "10.0.2.253");
  assert.equal(lease("10.255.255.254/8"), "10.255.255.253");
});

test("impossible addresses are refused", () => {
  for (const address of ["10.0.2/24", "10.0.2.256/24", "10.0.2.1/31", "10.0.2.1/0", "10.0.2.1/x"]) {
    assert.throws(() => new NetResponder({ address }), UsageError, address);
  }
  for (const lease of ["10.0.3.2", "10.0.2.1"]) {
    assert.throws(
      () => new NetResponder({ lease }),
      /the lease must be an address of 10\.0\.2\.1\/24/,
    );
  }
  for (const mac of ["52:54:00:00:00", "52:54:00:00:00:0g", "ff:ff:ff:ff:ff:ff"]) {
    assert.throws(() => new NetResponder({ mac }), UsageError, mac);
  }
});

test("an echo in fragments is answered in fragments, in whatever order they come", async () => {
  const data = Uint8Array.from({ length: 8000 }, (_, i) => i % 251);
  const sizes: number[] = [];
  const responder = new NetResponder();
  const station: NetStation = new NetStation(CLIENT.mac, (frame) => {
    sent.push(frame);
    const held = sent.splice(0, sent.length < fragments ? 0 : fragments).reverse();
    for (const each of held) {
      for (const answer of responder.answer(each)) {
        sizes.push(answer.length);
        queueMicrotask(() => station.receive(answer));
      }
    }
  });
  const sent: Uint8Array[] = [];
  const fragments = 6;
  await station.echo(CLIENT.address, SERVER, { id: 1, sequence: 2, data });
  assert.deepEqual(sizes, [1514, 1514, 1514, 1514, 1514, 642]);
});

test("fragments that overlap, end early or are too long are dropped as a whole", () => {
  const message = icmpMessage(IcmpType.EchoRequest, new Uint8Array(3000));
  const make = (id: number): Uint8Array[] =>
    ipv4Frames(CLIENT, SERVER, IpProtocol.Icmp, message, { id });
  const withOffset = (frame: Uint8Array | undefined, word: number): Uint8Array => {
    const changed = frame?.slice() ?? new Uint8Array();
    putU16(changed, 20, word);
    return changed;
  };
  const [first, second, third] = make(1);
  const responder = new NetResponder();
  const say = (...frames: (Uint8Array | undefined)[]): number =>
    frames.flatMap((frame) => responder.answer(frame ?? new Uint8Array())).length;
  assert.equal(say(third, first, second), 3);
  // Once more, each of them twice.
  assert.equal(say(third, third, first, first, second), 3);
  const more = 0x2000;
  assert.equal(say(first, withOffset(second, more | 8), third, second), 0);
  assert.equal(say(withOffset(second, more | 0x1fff)), 0);
  assert.equal(say(...make(3).map((frame) => withOffset(frame, more))), 0);
});

test("packets that never become whole make room for newer ones", () => {
  const fragments = new Reassembly();
  const payload = new Uint8Array(8);
  for (let id = 0; id < 1000; id += 1) {
    const common = { source: "10.0.2.2", destination: "10.0.2.1", protocol: IpProtocol.Udp, id };
    fragments.add({ ...common, fragment: true, fragmentOffset: 0, moreFragments: true, payload });
  }
  assert.equal(fragments.waiting, 16);
});

test("a datagram is echoed from the port that it was sent to", () => {
  const from = { ...CLIENT, port: 4000 };
  const data = Uint8Array.of(1, 2, 3);
  const [answer = new Uint8Array()] = new NetResponder().answer(
    udpFrame(from, { ...SERVER, port: 9 }, data),
  );
  assert.match(describeFrame(answer), /UDP 10\.0\.2\.1:9 > 10\.0\.2\.2:4000/);
  const packet = decodeIpv4(decodeEthernet(answer)?.payload ?? answer);
  assert.deepEqual([...(decodeUdp(packet?.payload ?? answer)?.payload ?? [])], [...data]);
  // Otherwise two that echo would never end.
  assert.equal(answerTo(udpFrame({ ...CLIENT, port: 7 }, { ...SERVER, port: 7 }, data)), "nothing");
});

test("a TCP connection is refused by a reset that fits; a reset is not answered", () => {
  const segment = (flags: number, bytes = 0): Uint8Array => {
    const tcp = new Uint8Array(20 + bytes);
    putU16(tcp, 0, 4000);
    putU16(tcp, 2, 80);
    tcp.set([0xff, 0xff, 0xff, 0xff, 0x01, 0x02, 0x03, 0x04], 4);
    tcp[12] = 0x50;
    tcp[13] = flags;
    return ipv4Frame(CLIENT, SERVER, IpProtocol.Tcp, tcp);
  };
  const reset = (frame: Uint8Array): number[] => {
    const [answer = new Uint8Array()] = new NetResponder().answer(frame);
    const tcp = decodeIpv4(decodeEthernet(answer)?.payload ?? answer)?.payload;
    return [...(tcp?.subarray(0, 14) ?? [])];
  };
  // SYN without ACK: it acknowledges the number behind it, which wraps.
  assert.deepEqual(reset(segment(2)), [0, 80, 15, 160, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x14]);
  assert.deepEqual(reset(segment(1, 4)).slice(8, 12), [0, 0, 0, 4]);
  // With ACK: it begins at the acknowledged number.
  assert.deepEqual(reset(segment(16)), [0, 80, 15, 160, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 4]);
  assert.deepEqual(reset(segment(4)), []);
});

test("takes any bytes", () => {
  const responder = new NetResponder();
  const good = [
    arpRequest(CLIENT, "10.0.2.1"),
    icmpFrame(CLIENT, SERVER, IcmpType.EchoRequest, ECHO),
    dhcpAskFrame({ type: DhcpType.Discover, xid: 1, mac: CLIENT.mac }),
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...good),
      fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 6 }),
      fc.nat(350),
      (frame, changes, length) => {
        const bytes = frame.slice(0, length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        assert.ok(responder.answer(bytes).every((answer) => answer.length >= 60));
      },
    ),
    { numRuns: 2000 },
  );
});

/** A station and a responder that hear each other. */
function joined(responder = new NetResponder()): NetStation {
  const station: NetStation = new NetStation(CLIENT.mac, (frame) => {
    for (const answer of responder.answer(frame)) queueMicrotask(() => station.receive(answer));
  });
  return station;
}

test("a station finds another by ARP, pings it and gets an address of it", async () => {
  const station = joined();
  assert.equal(await station.resolve("10.0.2.2", "10.0.2.1"), SERVER.mac);
  const echo = { id: 1, sequence: 2, data: ECHO };
  assert.ok((await station.echo("10.0.2.2", SERVER, echo)) >= 0);
  assert.deepEqual(await station.lease(0xffff_fff0), {
    address: "10.0.2.2",
    server: "10.0.2.1",
    mask: "255.255.255.0",
    router: "10.0.2.1",
    seconds: 3600,
  });
});

test("a station without an answer names the unanswered request", async () => {
  const station = new NetStation(CLIENT.mac, () => undefined);
  const wait = { timeoutMs: 1 };
  await assert.rejects(station.resolve("10.0.2.2", "10.0.2.1", wait), /that it has 10\.0\.2\.1/);
  await assert.rejects(station.lease(1, wait), /no DHCP server answered with OFFER/);
  const echo = { id: 1, sequence: 2, data: ECHO };
  await assert.rejects(station.echo("10.0.2.2", SERVER, echo, wait), TimeoutError);
});

test("a station answers who asks for its address", async () => {
  const sent: Uint8Array[] = [];
  const station = new NetStation(CLIENT.mac, (frame) => sent.push(frame));
  await assert.rejects(station.resolve("10.0.2.2", "10.0.2.1", { timeoutMs: 1 }));
  station.receive(arpRequest(SERVER, "10.0.2.2"));
  station.receive(arpRequest(SERVER, "10.0.2.3"));
  assert.equal(sent.length, 2);
  const reply = decodeEthernet(sent[1] ?? new Uint8Array());
  assert.equal(decodeArp(reply?.payload ?? new Uint8Array())?.senderMac, CLIENT.mac);
});

test("a changed echo reply does not count", async () => {
  const station: NetStation = new NetStation(CLIENT.mac, () => {
    const body = ECHO.slice();
    body[8] = 99;
    queueMicrotask(() => station.receive(icmpFrame(SERVER, CLIENT, IcmpType.EchoReply, body)));
  });
  const echo = { id: 0x1234, sequence: 1, data: ECHO.subarray(4) };
  await assert.rejects(station.echo("10.0.2.2", SERVER, echo, { timeoutMs: 5 }), TimeoutError);
});

test("frames are padded to the shortest that there is; test frames carry their number", () => {
  assert.equal(ethernetFrame(BROADCAST_MAC, CLIENT.mac, 0x88b5, new Uint8Array(1)).length, 60);
  const [to, from] = [new Uint8Array(6).fill(0xff), new Uint8Array(6).fill(2)];
  const frame = testFrame(0x0102_0304, 20, from, to);
  assert.deepEqual([...frame.subarray(12)], [0x88, 0xb5, 1, 2, 3, 4, 4, 4]);
  assert.throws(() => testFrame(0, 17, from, to), UsageError);
});
