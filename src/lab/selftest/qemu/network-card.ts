import { Deferred } from "../../../core/base/index.ts";
import { connectBackend } from "../../../endpoints/backend/index.ts";
import {
  decodeEthernet,
  describeFrame,
  dhcpOf,
  DhcpType,
  NetDevice,
} from "../../../endpoints/devices/net/index.ts";
import { expectEqual } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { startQemu } from "./programs.ts";

const MAC = "52:54:00:76:68:75";
const TIMEOUT_MS = 60_000;

/** We are the back-end of QEMU's network card, and its boot ROM is the driver. */
export const networkCardCases: readonly TestCase[] = [
  {
    title: "Frames of QEMU's boot ROM arrive and are decoded (DHCP)",
    run: async (context) => {
      const { socket } = await startQemu(context, { bootRom: true, netOptions: `mac=${MAC}` });
      const { signal } = context;
      const discover = new Deferred<Uint8Array>({ signal, timeoutMs: TIMEOUT_MS });
      const device = new NetDevice({
        onFrame: (frame) => {
          if (dhcpOf(frame)?.type === DhcpType.Discover) discover.resolve(frame);
        },
      });
      const ended = new AbortController();
      const running = connectBackend(socket, {
        device: () => device,
        onProblem: (problem) => discover.reject(problem),
        signal: ended.signal,
      });
      context.defer(async () => {
        ended.abort();
        await running;
      });
      const frame = await discover.promise;
      context.note(describeFrame(frame));
      expectEqual("sender", decodeEthernet(frame)?.source, MAC);
      expectEqual("destination", decodeEthernet(frame)?.destination, "ff:ff:ff:ff:ff:ff");
      expectEqual("client of the DHCP message", dhcpOf(frame)?.clientMac, MAC);
    },
  },
];
