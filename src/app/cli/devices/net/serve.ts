import {
  describeFrame,
  echoDevice,
  type FrameTap,
  type NetCounters,
  type NetDevice,
  NetSinkDevice,
  NetResponder,
  parseMac,
  PcapWriter,
  respondingDevice,
  sendFrames,
  sinkDevice,
  sourcePort,
  testFrame,
  zeroNetCounters,
} from "../../../../endpoints/devices/net/index.ts";
import { counted, UsageError } from "../../../../core/base/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { withCleanUp } from "../../clean-up.ts";
import type { Context } from "../../context.ts";
import { makeUserFile } from "../../files.ts";
import {
  endOnSignal,
  expectOneSocket,
  listedFaults,
  serveDevice,
  type ServeOptions,
} from "../../commands/serve/common.ts";
import { DEVICE_MAC, type Traffic } from "./traffic.ts";

export interface ServeNetOptions extends ServeOptions {
  readonly traffic: Traffic;
  readonly queues: number;
  readonly mac: string;
  readonly controlQueue?: true | undefined;
  readonly deviceMac?: string | undefined;
  readonly address: string;
  readonly lease?: string | undefined;
  readonly rate?: number | undefined;
  readonly count?: number | undefined;
  readonly frameSize: number;
  readonly workers?: true | undefined;
  readonly ringMode: RingMode;
  readonly mtu?: true | undefined;
  readonly pcap?: string | undefined;
  readonly force?: true | undefined;
  readonly json?: true | undefined;
}

const BROADCAST = new Uint8Array(6).fill(0xff);

export async function serveNet(options: ServeNetOptions, context: Context): Promise<void> {
  if (listedFaults(options, context)) return;
  expectOneSocket(options, context);
  if (options.deviceMac !== undefined && !options.controlQueue)
    throw new UsageError("--device-mac needs --control-queue");
  const { output } = context;
  const { traffic, queues, pcap: path } = options;
  const { mac, address, lease } = options;
  const responder = new NetResponder({ mac, address, lease });
  const pcap =
    path === undefined
      ? undefined
      : makeUserFile(path, options.force === true, (flag) =>
          PcapWriter.create(path, { force: flag === "w" }),
        );
  expectSinkForWorkers(options);
  const devices: (NetDevice | NetSinkDevice)[] = [];
  const tap: FrameTap = (frame, way) => {
    pcap?.write(frame);
    if (options.verbose) output.trace(`${way === "sent" ? "<" : ">"} ${describeFrame(frame)}`);
  };
  const station = traffic === "respond" ? `, ${responder.address}, leases ${responder.lease}` : "";
  const what = `net, ${traffic}${station}, queue pairs: ${queues}`;
  const closePcap = async (): Promise<void> => pcap?.close();
  const steps = [{ what: `write all frames to ${path}`, run: closePcap }];
  try {
    const device = (): NetDevice | NetSinkDevice => {
      const made = makeDevice(options, responder, tap, context);
      devices.push(made);
      return made;
    };
    const { workers, ringMode, mtu } = options;
    const served = { ...options, rings: { workers, ringMode } };
    const sample = sinkDevice({ queuePairs: queues, mtu, control: controlOf(options) });
    await withCleanUp(context, steps, async () =>
      serveDevice(served, context, what, device, sample),
    );
  } finally {
    report(options, context, devices, pcap);
  }
  endOnSignal(context);
}

function expectSinkForWorkers(options: ServeNetOptions): void {
  const { workers, traffic, pcap, controlQueue, verbose } = options;
  const isSeen = pcap !== undefined || controlQueue !== undefined || verbose === true;
  if (workers && (traffic !== "sink" || isSeen))
    throw new UsageError(
      "--workers needs --traffic sink, and cannot be combined with --pcap, --control-queue or -v",
    );
}

function controlOf({
  controlQueue,
  deviceMac: mac = DEVICE_MAC,
}: Pick<ServeNetOptions, "controlQueue" | "deviceMac">): { mac: string } | undefined {
  return controlQueue ? { mac } : undefined;
}

function makeDevice(
  { traffic, queues: queuePairs, mtu, ...options }: ServeNetOptions,
  responder: NetResponder,
  tap: FrameTap,
  context: Context,
): NetDevice | NetSinkDevice {
  const control = controlOf(options);
  const shape = { queuePairs, mtu, tap, control };
  if (traffic === "respond") return respondingDevice(responder, shape);
  if (traffic === "echo") return echoDevice(shape);
  // Frames that are neither captured nor printed need not be copied.
  const unseen = options.pcap === undefined && options.verbose !== true;
  if (traffic === "sink" && unseen && !mtu && !control) return new NetSinkDevice({ queuePairs });
  if (traffic === "sink") return sinkDevice(shape);
  const ended = new AbortController();
  const device = sinkDevice({ ...shape, onClose: () => ended.abort() });
  const source = parseMac(options.mac);
  const { count, rate: framesPerSecond, frameSize } = options;
  void sendFrames(sourcePort(device, tap), {
    frame: (number) => testFrame(number, frameSize, source, BROADCAST),
    count,
    framesPerSecond,
    signal: AbortSignal.any([ended.signal, context.signal]),
  });
  return device;
}

function report(
  { json, traffic }: ServeNetOptions,
  { output }: Context,
  devices: readonly (NetDevice | NetSinkDevice)[],
  pcap: PcapWriter | undefined,
): void {
  const sum = zeroNetCounters();
  for (const { counters } of devices) {
    const own: Partial<NetCounters> = counters;
    for (const name of Object.keys(sum) as (keyof NetCounters)[]) sum[name] += own[name] ?? 0;
  }
  if (json) {
    const kept = pcap && { frames: pcap.frames, dropped: pcap.dropped };
    const head = { schemaVersion: 1, kind: "serve-net", traffic } as const;
    output.json({ ...head, sessions: devices.length, counters: sum, pcap: kept });
    return;
  }
  const dropped = sum.rxOverflow + sum.rxWrongSize + sum.txWrongSize + sum.txOffloads;
  output.note(
    `drivers sent ${counted(sum.txFrames, "frame")} (${counted(sum.txBytes, "byte")}) and received ${sum.rxFrames} ` +
      `(${counted(sum.rxBytes, "byte")}); ${dropped} dropped`,
  );
}
