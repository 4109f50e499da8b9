import { counted } from "../base/index.ts";
import { Client, type ClientOptions, type ReconnectReport } from "../frontend/index.ts";
import type { DeviceName } from "../protocol/index.ts";
import { type CommonOptions, type Context, messagePrinter } from "./context.ts";

/** Options of everything that talks to a back-end. */
export interface ConnectOptions extends CommonOptions {
  readonly listen?: true | undefined;
  readonly packed?: true | undefined;
  readonly inOrder?: true | undefined;
  readonly reconnect?: true | undefined;
  readonly iommu?: true | undefined;
  readonly strict?: true | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Opens the session that a command's options ask for. @throws as `Client.connect` */
export async function connectClient(
  socket: string,
  options: ConnectOptions,
  context: Context,
  device: DeviceName,
  more: ClientOptions,
): Promise<Client> {
  const clientOptions: ClientOptions = {
    ...more,
    timeoutMs: options.timeout,
    strictness: options.strict ? "strict" : "lenient",
    packed: options.packed === true,
    inOrder: options.inOrder === true,
    iommu: options.iommu,
    signal: context.signal,
    observe: await messagePrinter(context, options, device),
    reconnect: options.reconnect && { onReconnect: (report) => context.output.note(told(report)) },
  };
  return options.listen
    ? Client.accept(socket, clientOptions)
    : Client.connect(socket, clientOptions);
}

function told({ attempts, downMs, queues, replayedBy }: ReconnectReport): string {
  const sum = (of: "outstanding" | "inFlight"): number =>
    queues.reduce((all, queue) => all + queue[of], 0);
  return (
    `the back-end came back after ${Math.round(downMs)} ms (attempt ${attempts}): ${counted(sum("outstanding"), "request")} ` +
    `were out, ${sum("inFlight")} of them are executed again, as the ${replayedBy} noted`
  );
}
