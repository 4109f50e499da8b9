import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  type BackendOptions,
  BackendServer,
  connectBackend,
} from "../../../src/endpoints/backend/index.ts";
import { delay } from "../../../src/core/base/index.ts";
import {
  ArpOperation,
  decodeArp,
  decodeEthernet,
  describeFrame,
  EtherType,
  NetDevice,
  type NetDeviceOptions,
} from "../../../src/endpoints/devices/net/index.ts";
import {
  ManagedProcess,
  type Testpmd,
  waitUntilListening,
} from "../../../src/lab/programs/index.ts";
import { bareMachineArguments, escapeComma } from "../../../src/lab/programs/known/qemu-options.ts";
import { temporaryDirectory } from "./temporary.ts";

export const MAC = "52:54:00:ab:cd:ef";

/** The answer to a frame that asks who has `address`; undefined: it asks nothing like that. */
export function arpReply(frame: Uint8Array, address: string, mac: string): Uint8Array | undefined {
  const ethernet = decodeEthernet(frame);
  if (ethernet?.type !== EtherType.Arp) return undefined;
  const asked = decodeArp(ethernet.payload);
  if (asked?.operation !== ArpOperation.Request || asked.targetAddress !== address)
    return undefined;
  const ours = Buffer.from(mac.replaceAll(":", ""), "hex");
  const reply = new Uint8Array(60);
  reply.set(frame.subarray(0, 42));
  reply.set(frame.subarray(6, 12), 0);
  reply.set(ours, 6);
  reply[21] = ArpOperation.Reply;
  reply.set(ours, 22);
  reply.set(frame.subarray(38, 42), 28);
  reply.set(frame.subarray(22, 32), 32);
  return reply;
}

export interface NetBackend {
  readonly net: NetDevice;
  readonly frames: Uint8Array[];
  readonly problems: string[];
  /** Resolves with the first frame that fits. */
  frame(
    fits: (frame: Uint8Array) => boolean,
    what: string,
    timeoutMs?: number,
  ): Promise<Uint8Array>;
}

export interface NetBackendOptions extends NetDeviceOptions, Pick<BackendOptions, "onSession"> {
  readonly withoutVirtio?: bigint;
}

function makeBackend(
  options: NetBackendOptions,
): NetBackend & { readonly backend: BackendOptions } {
  const { withoutVirtio = 0n, onFrame, onSession, ...rest } = options;
  const frames: Uint8Array[] = [];
  const problems: string[] = [];
  const net = new NetDevice({
    ...rest,
    onFrame: (frame, pair) => {
      frames.push(frame);
      onFrame?.(frame, pair);
    },
  });
  return {
    net,
    frames,
    problems,
    backend: {
      device: () => net,
      onSession,
      without: { virtio: withoutVirtio },
      onProblem: ({ message }) => problems.push(message),
    },
    async frame(fits, what, timeoutMs = 60_000) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const found = frames.find(fits);
        if (found !== undefined) return found;
        if (performance.now() > deadline) {
          const seen = frames.map(describeFrame).join("\n  ");
          throw new Error(
            `no ${what} within ${timeoutMs} ms; frames:\n  ${seen}\n${problems.join("\n")}`,
          );
        }
        await delay(10);
      }
    },
  };
}

/** A network back-end that listens; gone after the test. */
export async function serveNet(
  t: TestContext,
  options: NetBackendOptions = {},
): Promise<NetBackend & { readonly socketPath: string }> {
  const { backend, ...served } = makeBackend(options);
  const socketPath = join(temporaryDirectory(t), "net.sock");
  const server = await BackendServer.listen(socketPath, backend);
  t.after(() => server.close());
  return { ...served, socketPath };
}

/** A network back-end that connects to a front-end; gone after the test. */
export function connectNet(
  t: TestContext,
  socketPath: string,
  options: NetBackendOptions = {},
): NetBackend {
  const { backend, ...served } = makeBackend(options);
  const ended = new AbortController();
  const running = connectBackend(socketPath, { ...backend, signal: ended.signal });
  t.after(async () => {
    ended.abort();
    await running;
  });
  return served;
}

/** The QEMU arguments of a card whose back-end listens, or connects to QEMU. */
export function cardArguments(
  socketPath: string,
  options: { listen?: boolean; queuePairs?: number; properties?: string } = {},
): string[] {
  const { listen = false, queuePairs = 1, properties = "romfile=" } = options;
  const role = listen ? ",server=on,wait=off" : "";
  const multi = queuePairs > 1 ? `,mq=on,vectors=${2 * queuePairs + 2}` : "";
  return [
    ["-chardev", `socket,id=char0,path=${escapeComma(socketPath)}${role}`],
    ["-netdev", `vhost-user,id=net0,chardev=char0,queues=${queuePairs}`],
    ["-device", `virtio-net-pci,netdev=net0,mac=${MAC}${multi},${properties}`],
  ].flat();
}

/** A machine that can do nothing but boot from the network, with its card's boot ROM. */
export async function bootFromNetwork(
  socketPath: string,
  options: { listen?: boolean; properties?: string } = {},
): Promise<ManagedProcess> {
  const properties = ["bootindex=0", options.properties].filter(Boolean).join(",");
  const machine = await ManagedProcess.spawn("qemu-system-x86_64", [
    ...bareMachineArguments(64, 1),
    ...cardArguments(socketPath, { ...options, properties }),
  ]);
  if (options.listen) {
    try {
      await waitUntilListening(socketPath, { process: machine });
    } catch (error) {
      await machine.kill();
      throw error;
    }
  }
  return machine;
}

/** Counters of testpmd's only port. */
export async function portStatistics(testpmd: Testpmd) {
  const text = await testpmd.command("show port stats all");
  const value = (name: string): number =>
    Number(new RegExp(`${name}:\\s*(\\d+)`).exec(text)?.[1] ?? Number.NaN);
  return {
    rxFrames: value("RX-packets"),
    rxBytes: value("RX-bytes"),
    txFrames: value("TX-packets"),
    txBytes: value("TX-bytes"),
  };
}
