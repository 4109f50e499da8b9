import type { DeviceType } from "../../core/protocol/index.ts";
import type { FrameObserver } from "../../core/transport/index.ts";
import type { Output } from "./output.ts";

/** The environment of a command besides its own options. */
export interface Context {
  readonly output: Output;
  /** Aborts with an `InterruptError` on SIGINT, SIGTERM and SIGHUP: clean up and end. */
  readonly signal: AbortSignal;
}

/** Options that every command has. */
export interface CommonOptions {
  readonly verbose?: true | undefined;
  readonly debug?: true | undefined;
  readonly quiet?: true | undefined;
}

/** Returns the printer for -v, which prints each message as one line. */
export async function messagePrinter(
  { output }: Context,
  { verbose }: CommonOptions,
  device: DeviceType | undefined,
): Promise<FrameObserver | undefined> {
  if (!verbose) return undefined;
  const { describeMessage } = await import("../../core/protocol/index.ts");
  return (way, { header, payload, fds }, direction) => {
    const descriptors = fds.length;
    const text = describeMessage({ direction, header, payload, descriptors, device });
    output.trace(`${way === "sent" ? ">" : "<"} ${text}`);
  };
}
