/** Cards with DHCP: the guest asks `serve net` for an address, or is asked for one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import {
  describeFrame,
  joinedDevices,
  NET_DRIVER_FEATURES,
  type NetDevice,
  NetDriver,
  NetStation,
  readPcap,
} from "../../../../src/endpoints/devices/net/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { Workspace } from "../../../integration/support/index.ts";
import { parseDocument } from "../../../support/published-schemas.ts";
import { cardArguments, MAC } from "../net.ts";
import { temporaryDirectory } from "../temporary.ts";
import { CARD_DOWN } from "./cards.ts";
import type { Part } from "./machine.ts";
import { until } from "../../../support/until.ts";

const MODULES = ["virtio_net", "af_packet"];

/** Gets an address for a card, prints it, and pings the server that gave it; then what `more` does. */
export const leaseScript = (card: string, server: string, more = ""): string => `
card=${card}
cat > /bin/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
echo "$ip/$mask $router $serverid $lease"
ip addr add "$ip/$mask" dev "$interface"
END
chmod +x /bin/lease
ip link set $card up
udhcpc -i $card -n -q -t 5 -T 2 -s /bin/lease 2> /tmp/udhcpc || cat /tmp/udhcpc
ping -c 5 -i 0.2 -W 2 -s 1400 -p a5 ${server} > /tmp/ping || cat /tmp/ping
grep -o '[0-9]* packets received' /tmp/ping
${more}
${CARD_DOWN}`;

/** Packets in fragments, a refused TCP connection, and a datagram that is echoed. */
const furtherTraffic = (server: string): string => `
ping -c 2 -i 0.2 -W 2 -s 8000 -p a5 ${server} | grep -o '[0-9]* packets received'
nc -w 2 ${server} 80 < /dev/null 2>&1 | grep -o 'Connection refused'
datagrams() { awk '/^Udp:/ { n = $2 } END { print n }' /proc/net/snmp; }
before=$(datagrams)
timeout 1 tftp -g -r file -l /tmp/file ${server} 2> /dev/null
[ "$(datagrams)" -gt "$before" ] && echo 'datagram received'`;

/** A card of `serve net`, which gives the guest its address. */
export async function leasedCard(
  t: TestContext,
  name: string,
  packed: "on" | "off",
): Promise<Part> {
  const space = new Workspace(t);
  const words = "--address 10.7.0.1/16 --lease 10.7.3.4 --pcap all.pcap --json".split(" ");
  const { socket, server } = await space.serve(words, "net.sock", "net");
  return {
    name,
    modules: MODULES,
    // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV as soon as the driver runs.
    deviceArguments: cardArguments(socket, {
      properties: `romfile=,vectors=0,packed=${packed}`,
    }),
    script: leaseScript("$(card $PCI)", "10.7.0.1", furtherTraffic("10.7.0.1")),
    verify: async (own, { output }) => {
      assert.deepEqual(output.split(/\r?\n/), [
        "10.7.3.4/16 10.7.0.1 10.7.0.1 3600",
        "5 packets received",
        "2 packets received",
        "Connection refused",
        "datagram received",
        "",
      ]);
      const { code, stdout, stderr } = await server.stop();
      assert.equal(code, 0, stderr);
      const report = parseDocument("serve-net", stdout);
      const seen = readPcap(readFileSync(space.path("all.pcap"))).map(describeFrame);
      for (const line of seen) own.diagnostic(line);
      const count = (pattern: RegExp): number => seen.filter((line) => pattern.test(line)).length;
      assert.ok(count(/DHCP OFFER .* 10\.7\.3\.4 for 52:54:00:ab:cd:ef/) >= 1);
      assert.ok(count(/DHCP ACK/) >= 1);
      assert.deepEqual(
        [
          count(/ICMP 10\.7\.3\.4 > 10\.7\.0\.1, 1442/),
          count(/ICMP 10\.7\.0\.1 > 10\.7\.3\.4, 1442/),
        ],
        [5, 5],
      );
      assert.ok(count(new RegExp(`^${MAC} > `)) >= 8);
      assert.deepEqual(Object.keys(report), [
        "schemaVersion",
        "kind",
        "traffic",
        "sessions",
        "counters",
        "pcap",
      ]);
      assert.doesNotMatch(stderr, /problem:/);
    },
  };
}

/** A card at one end of a wire; our driver is at the other, and gets its address of the guest. */
export async function wiredCard(t: TestContext, name: string): Promise<Part> {
  const folder = temporaryDirectory(t);
  const [guestSide, ourSide] = joinedDevices();
  const serve = async (file: string, device: NetDevice): Promise<string> => {
    const path = join(folder, file);
    const server = await BackendServer.listen(path, { device: () => device });
    t.after(async () => {
      server.close();
      await until(() => server.sessions.size === 0, "the sessions to end");
    });
    return path;
  };
  const guestPath = await serve("guest.sock", guestSide);
  const client = await Client.connect(await serve("our.sock", ourSide), {
    deviceFeatures: NET_DRIVER_FEATURES,
    packed: true,
  });
  t.after(() => client.close());
  const ended = new AbortController();
  t.after(() => ended.abort());
  const driver = await NetDriver.start(client, { onFrame: (frame) => station.receive(frame) });
  const station: NetStation = new NetStation("52:54:00:00:00:02", (frame) => {
    driver.send(frame);
  });
  let lease: Awaited<ReturnType<NetStation["lease"]>> | undefined;
  const ask = async (): Promise<void> => {
    const wait = { timeoutMs: 200_000, signal: ended.signal };
    lease = await station.lease(0x1234_5678, wait);
    const { address, server } = lease;
    const mac = await station.resolve(address, server, wait);
    const data = new Uint8Array(1000).fill(0x5a);
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      const echo = { id: 7, sequence, data };
      await station.echo(address, { mac, address: server }, echo, wait);
    }
    // Signals the guest's script that it may end.
    const last = { id: 8, sequence: 1, data: new Uint8Array(1234) };
    await station.echo(address, { mac, address: server }, last, wait);
  };
  return {
    name,
    modules: MODULES,
    deviceArguments: cardArguments(guestPath, { properties: "romfile=,vectors=0" }),
    // Other cards were pinged before.
    script: `
      card=$(card $PCI)
      echoes() { awk '/^Icmp:/ { if (seen) { for (i in name) if (name[i] == "OutEchoReps") print $i } else { seen = 1; for (i = 1; i <= NF; i++) name[i] = $i } }' /proc/net/snmp; }
      before=$(echoes)
      ip link set $card up
      ip addr add 172.20.0.1/16 dev $card
      cat > /tmp/udhcpd.conf <<END
start 172.20.5.6
end 172.20.5.6
interface $card
lease_file /tmp/leases
pidfile /tmp/pid
option subnet 255.255.0.0
option router 172.20.0.9
option lease 7200
END
      touch /tmp/leases
      udhcpd -f /tmp/udhcpd.conf > /tmp/log 2>&1 &
      # Until the sixth echo was answered.
      for i in $(seq 300); do
        n=$(($(echoes) - before))
        [ "$n" -ge 6 ] && break
        sleep 0.1
      done
      echo "$n echoes answered"
      kill $!
      ${CARD_DOWN}`,
    beside: ask,
    verify: (_t, { output }) => {
      assert.match(output, /^6 echoes answered/);
      assert.deepEqual(lease, {
        address: "172.20.5.6",
        server: "172.20.0.1",
        mask: "255.255.0.0",
        router: "172.20.0.9",
        seconds: 7200,
      });
    },
  };
}
