import { counted, Deferred } from "../../../../core/base/index.ts";
import { describeFrame, PcapWriter } from "../../../../endpoints/devices/net/index.ts";
import { withCleanUp } from "../../clean-up.ts";
import type { Context } from "../../context.ts";
import { formatSize } from "../../units.ts";
import {
  closing,
  openPcap,
  untilAborted,
  withDriver,
  type NetOptions,
  type PcapOptions,
} from "./io-session.ts";

export interface ReceiveOptions extends NetOptions, PcapOptions {
  readonly count?: number | undefined;
  readonly runtime?: number | undefined;
}

export async function receive(
  socket: string,
  options: ReceiveOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  const { count = Infinity, runtime: forMs } = options;
  let pcap: PcapWriter | undefined;
  const enough = new Deferred<void>({ signal: context.signal });
  enough.promise.catch(() => undefined);
  let frames = 0;
  let bytes = 0;
  const onConnected = (): void => void (pcap = openPcap(options));
  const onFrame = (frame: Uint8Array): void => {
    if (frames === count) return;
    frames += 1;
    bytes += frame.length;
    pcap?.write(frame);
    if (!options.json) output.print(describeFrame(frame));
    if (frames === count) enough.resolve();
  };
  await withCleanUp(context, [closing(options, () => pcap)], async () =>
    withDriver(socket, options, context, { onConnected, onFrame }, async (driver, signal) => {
      const timer = forMs === undefined ? undefined : setTimeout(() => enough.resolve(), forMs);
      try {
        await untilAborted(enough.promise, signal);
      } finally {
        clearTimeout(timer);
        const head = { schemaVersion: 1, kind: "io-net-receive", socket } as const;
        if (options.json) output.json({ ...head, frames, bytes, counters: driver.counters });
        else output.note(`${counted(frames, "frame")}, ${formatSize(bytes)}`);
      }
    }),
  );
}
