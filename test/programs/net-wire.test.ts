import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import {
  joinedDevices,
  type NetDevice,
  NET_DRIVER_FEATURES,
  NetDriver,
  NetStation,
} from "../../src/endpoints/devices/net/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { bootLinux } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, temporaryDirectory } from "./support/index.ts";
import { cardArguments, until } from "./support/net.ts";

guardLeaks();

test(
  "over a wire of two devices our driver gets an address of a guest's DHCP server, and pings it",
  { skip: needsGuest() },
  async (t) => {
    const folder = temporaryDirectory(t);
    const [guestSide, ourSide] = joinedDevices();
    const serve = async (name: string, device: NetDevice): Promise<string> => {
      const path = join(folder, name);
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
    const asked = (async () => {
      const wait = { timeoutMs: 60_000, signal: ended.signal };
      const lease = await station.lease(0x1234_5678, wait);
      const mac = await station.resolve(lease.address, lease.server, wait);
      const data = new Uint8Array(1000).fill(0x5a);
      for (let sequence = 1; sequence <= 5; sequence += 1) {
        const echo = { id: 7, sequence, data };
        await station.echo(lease.address, { mac, address: lease.server }, echo, wait);
      }
      // Signals the guest's script that it may end.
      await station.echo(
        lease.address,
        { mac, address: lease.server },
        {
          id: 8,
          sequence: 1,
          data: new Uint8Array(1234),
        },
        wait,
      );
      return lease;
    })();
    asked.catch(() => undefined);
    const result = await bootLinux({
      modules: ["virtio_pci", "virtio_net", "af_packet"],
      deviceArguments: cardArguments(guestPath, { properties: "romfile=,vectors=0" }),
      script: `
        ip link set eth0 up
        ip addr add 172.20.0.1/16 dev eth0
        cat > /tmp/udhcpd.conf <<'END'
start 172.20.5.6
end 172.20.5.6
interface eth0
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
          n=$(awk '/^Icmp:/ { if (seen) { for (i in name) if (name[i] == "OutEchoReps") print $i } else { seen = 1; for (i = 1; i <= NF; i++) name[i] = $i } }' /proc/net/snmp)
          [ "$n" -ge 6 ] && break
          sleep 0.1
        done
        echo "$n echoes answered"
        kill %1`,
    });
    t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms: ${result.output}`);
    assert.match(result.output, /^6 echoes answered/);
    assert.deepEqual(await asked, {
      address: "172.20.5.6",
      server: "172.20.0.1",
      mask: "255.255.0.0",
      router: "172.20.0.9",
      seconds: 7200,
    });
  },
);
