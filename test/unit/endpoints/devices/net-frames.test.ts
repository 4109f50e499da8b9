import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeArp,
  decodeDhcp,
  decodeEthernet,
  decodeIpv4,
  decodeUdp,
  describeFrame,
  DhcpType,
  dhcpOf,
} from "../../../../src/endpoints/devices/net/index.ts";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

const ETHERNET = "ffffffffffff 525400abcdef";

/** Options without the message's type, which comes first. */
function dhcpFrame(type: number, options = "", op = 1): Uint8Array {
  const dhcp = [
    `0${op} 01 06 00 5888fe74 00000000 00000000 0a000005 00000000 00000000`,
    `525400abcdef ${"00".repeat(10)} ${"00".repeat(192)} 63825363`,
    `35 01 ${type.toString(16).padStart(2, "0")} ${options} ff`,
  ].join("");
  const length = hex(dhcp).length;
  const two = (value: number): string => value.toString(16).padStart(4, "0");
  const [from, to] = op === 1 ? ["0044", "0043"] : ["0043", "0044"];
  return hex(
    `${ETHERNET} 0800 4500 ${two(28 + length)} 0000 0000 40 11 0000 00000000 ffffffff
     ${from} ${to} ${two(8 + length)} 0000 ${dhcp}`,
  );
}

const discover = dhcpFrame(DhcpType.Discover, "0c 03 616263");

test("a DHCP DISCOVER has type, client and transaction", () => {
  assert.deepEqual(dhcpOf(discover), {
    type: DhcpType.Discover,
    fromClient: true,
    xid: 0x5888fe74,
    clientMac: "52:54:00:ab:cd:ef",
    yourAddress: "10.0.0.5",
  });
});

test("a DHCP REQUEST names the address and the server", () => {
  const request = dhcpOf(dhcpFrame(DhcpType.Request, "00 32 04 0a000005 36 04 0a000001"));
  assert.equal(request?.requestedAddress, "10.0.0.5");
  assert.equal(request.server, "10.0.0.1");
});

test("frames are described on one line", () => {
  const describe = (text: string): string => describeFrame(hex(text));
  assert.equal(
    describeFrame(discover),
    "52:54:00:ab:cd:ef > ff:ff:ff:ff:ff:ff DHCP DISCOVER xid=0x5888fe74 from 52:54:00:ab:cd:ef, 291 bytes",
  );
  assert.match(
    describeFrame(dhcpFrame(DhcpType.Offer, "", 2)),
    /DHCP OFFER xid=0x5888fe74 10\.0\.0\.5 for 52:54:00:ab:cd:ef,/,
  );
  const arp = `${ETHERNET} 0806 0001 0800 06 04`;
  const addresses = "525400abcdef 0a090002 000000000000 0a090001";
  assert.match(
    describe(`${arp} 0001 ${addresses}`),
    / ARP who has 10\.9\.0\.1\? 10\.9\.0\.2 asks,/,
  );
  assert.match(describe(`${arp} 0002 ${addresses}`), / ARP 10\.9\.0\.2 is at 52:54:00:ab:cd:ef,/);
  assert.match(describe(`${arp} 00`), / malformed ARP,/);
  assert.match(describe(`${ETHERNET} 86dd 60`), / IPv6,/);
  assert.match(describe(`${ETHERNET} 88cc 02`), / type 0x88cc,/);
  assert.match(describe(`${ETHERNET} 8100 2007 0806 00`), / vlan 7 malformed ARP,/);
  assert.match(describe(`${ETHERNET} 0800 45`), / malformed IPv4,/);
  const ip = (protocol: string, rest: string, offset = "0000"): string =>
    `${ETHERNET} 0800 4500 001c 0000 ${offset} 40 ${protocol} 0000 0a090002 0a090001 ${rest}`;
  assert.match(describe(ip("01", "0800000000000000")), / ICMP 10\.9\.0\.2 > 10\.9\.0\.1,/);
  assert.match(describe(ip("11", "0035 0036 0008 0000")), / UDP 10\.9\.0\.2:53 > 10\.9\.0\.1:54,/);
  assert.match(describe(ip("11", "0035 0036 0009 0000")), / UDP 10\.9\.0\.2 > 10\.9\.0\.1,/);
  assert.match(describe(ip("11", "0035 0036 0008 0000", "2000")), / UDP .* fragment,/);
  assert.equal(describe("0102"), "no Ethernet frame, 2 bytes");
});

test("padding behind a short packet is not taken for its contents", () => {
  const packet = decodeIpv4(
    hex(`4500 0018 0000 0000 40 11 0000 0a090002 0a090001 01020304 ffffffff`),
  );
  assert.deepEqual(packet?.payload, hex("01020304"));
});

test("an option that is cut off ends the options, and counts for nothing", () => {
  const whole = dhcpFrame(DhcpType.Discover, "32 04 0a000005");
  const payload = whole.subarray(42);
  assert.equal(decodeDhcp(payload)?.requestedAddress, "10.0.0.5");
  for (let cut = 1; cut < 7; cut += 1) {
    const shorter = decodeDhcp(payload.subarray(0, payload.length - 1 - cut));
    assert.equal(shorter?.type, DhcpType.Discover);
    assert.equal(shorter.requestedAddress, undefined);
  }
});

test("no bytes whatever make a decoder throw or read outside of them", () => {
  const decoders = [decodeEthernet, decodeArp, decodeIpv4, decodeUdp, decodeDhcp, dhcpOf];
  const mutated = fc
    .tuple(fc.nat(discover.length), fc.array(fc.tuple(fc.nat(discover.length - 1), fc.nat(255))))
    .map(([length, changes]) => {
      const frame = discover.slice();
      for (const [at, value] of changes) frame[at] = value;
      return frame.subarray(0, length);
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated), (bytes) => {
      for (const decode of decoders) decode(bytes);
      assert.match(describeFrame(bytes), /^[ -~]+, \d+ bytes?$/);
    }),
    { numRuns: 2000 },
  );
});
