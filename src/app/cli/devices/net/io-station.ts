import { randomInt } from "node:crypto";
import { counted, delay, TimeoutError, type WaitOptions } from "../../../../core/base/index.ts";
import {
  describeFrame,
  NetStation,
  parseAddress,
  PcapWriter,
} from "../../../../endpoints/devices/net/index.ts";
import { withCleanUp } from "../../clean-up.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { closing, openPcap, withDriver, type WaitingOptions } from "./io-session.ts";

/** The time of option 51 with which an address never expires (RFC 2131 3.3). */
const INFINITE_LEASE = 0xffff_ffff;

export interface PingOptions extends WaitingOptions {
  readonly source: string;
  readonly count: number;
  readonly interval: number;
  readonly dataSize: number;
}

export async function ping(
  socket: string,
  address: string,
  options: PingOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  const { source, count, interval, dataSize: size, json } = options;
  parseAddress(address);
  parseAddress(source);
  const times: number[] = [];
  await withStation(socket, options, context, async (station, wait) => {
    const mac = await station.resolve(source, address, wait);
    const target = { address, mac };
    if (!json) output.print(`${address} is at ${mac}`);
    const id = randomInt(0x10000);
    const data = Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    for (let sequence = 1; sequence <= count; sequence += 1) {
      if (sequence > 1) await delay(interval, wait.signal);
      try {
        const ms = await station.echo(source, target, { id, sequence, data }, wait);
        times.push(ms);
        if (!json)
          output.print(
            `${counted(size + 8, "byte")} from ${address}: seq=${sequence} time=${ms.toFixed(3)} ms`,
          );
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
        if (!json) output.print(error.message);
      }
    }
    const rtt = statistics(times);
    const head = { schemaVersion: 1, kind: "io-net-ping", socket } as const;
    if (json)
      output.json({ ...head, address, mac, sent: count, received: times.length, rttMs: rtt });
    else {
      const lost = Math.round((1 - times.length / count) * 100);
      output.print(`${count} sent, ${times.length} received, ${lost} % lost`);
      if (rtt !== undefined) {
        const numbers = [rtt.min, rtt.avg, rtt.max, rtt.mdev].map((ms) => ms.toFixed(3)).join("/");
        output.print(`rtt min/avg/max/mdev = ${numbers} ms`);
      }
    }
  });
  if (times.length === 0)
    throw new CommandError(
      ExitCode.Failed,
      `none of ${counted(count, "echo request")} was answered`,
    );
}

export async function dhcp(
  socket: string,
  options: WaitingOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  await withStation(socket, options, context, async (station, wait) => {
    const lease = await station.lease(randomInt(2 ** 31), wait, (message) =>
      output.note(`${message.type === 2 ? "OFFER" : "ACK"} ${message.yourAddress}`),
    );
    if (options.json) {
      output.json({ schemaVersion: 1, kind: "io-net-dhcp", socket, mac: station.mac, ...lease });
      return;
    }
    output.print(`address  ${lease.address}`);
    if (lease.mask !== undefined) output.print(`mask     ${lease.mask}`);
    if (lease.router !== undefined) output.print(`router   ${lease.router}`);
    output.print(`server   ${lease.server}`);
    if (lease.seconds !== undefined) output.print(`lease    ${leaseText(lease.seconds)}`);
  });
}

function leaseText(seconds: number): string {
  return seconds === INFINITE_LEASE ? "infinite" : `${seconds} s`;
}

function statistics(times: readonly number[]) {
  if (times.length === 0) return undefined;
  const avg = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  const variance = times.reduce((sum, ms) => sum + (ms - avg) ** 2, 0) / times.length;
  return { min: Math.min(...times), avg, max: Math.max(...times), mdev: Math.sqrt(variance) };
}

/** A station of our own behind the driver; what passes is kept if that is wanted. */
async function withStation(
  socket: string,
  options: WaitingOptions,
  context: Context,
  use: (station: NetStation, wait: WaitOptions) => Promise<void>,
): Promise<void> {
  let transmit: (frame: Uint8Array) => void = () => undefined;
  const station = new NetStation(options.mac, (frame) => transmit(frame));
  let pcap: PcapWriter | undefined;
  const show = (mark: string, frame: Uint8Array): void => {
    pcap?.write(frame);
    if (options.verbose) context.output.trace(`${mark} ${describeFrame(frame)}`);
  };
  const onConnected = (): void => void (pcap = openPcap(options));
  const onFrame = (frame: Uint8Array): void => {
    show("<", frame);
    station.receive(frame);
  };
  await withCleanUp(context, [closing(options, () => pcap)], async () =>
    withDriver(socket, options, context, { onConnected, onFrame }, async (driver, signal) => {
      transmit = (frame) => {
        show(">", frame);
        driver.send(frame);
      };
      await use(station, { timeoutMs: options.ioTimeout, signal });
    }),
  );
}
