import { UsageError } from "../../../base/index.ts";
import {
  BACKEND_OPTIONAL_FEATURES,
  BACKEND_RING_FEATURES,
  type BackendOptions,
  BackendServer,
  connectBackend,
  type Device,
  protocolFeaturesOf,
  type RingOptions,
  serveInherited,
} from "../../../backend/index.ts";
import { OwnedFd } from "../../../os/index.ts";
import { applyFaults, faults, parseFault } from "../../../mutants/index.ts";
import { protocolFeatureNames, VirtioFeature } from "../../../protocol/index.ts";
import { type CommonOptions, type Context, messagePrinter } from "../../context.ts";
import { InterruptError } from "../../exit-code.ts";
import { type FeatureMasks, parseFeatures } from "./features.ts";

/** Options of every command that is a back-end. */
export interface ServeOptions extends CommonOptions {
  readonly socket?: string | undefined;
  readonly connect?: string | undefined;
  /** An inherited socket, listening or connected. */
  readonly fd?: number | undefined;
  readonly features?: readonly string[] | undefined;
  readonly without?: readonly string[] | undefined;
  readonly iommu?: true | undefined;
  readonly also?: readonly string[] | undefined;
  readonly fault: readonly string[];
  readonly listFaults?: true | undefined;
  readonly strict?: true | undefined;
  readonly timeout: number;
  /** Of devices that have such options. */
  readonly rings?: RingOptions | undefined;
}

/** With `--list-faults`: prints what there is. True: that was all. */
export function listedFaults({ listFaults }: ServeOptions, { output }: Context): boolean {
  if (!listFaults) return false;
  for (const line of faultList()) output.print(line);
  return true;
}

/** @throws {UsageError} not exactly one of `--socket` and `--connect` */
export function expectOneSocket({ socket, connect, fd }: ServeOptions): void {
  if ([socket, connect, fd].filter((given) => given !== undefined).length === 1) return;
  throw new UsageError(
    "expected either --socket PATH (to listen) or --connect PATH, got neither or both",
  );
}

/**
 * Is a back-end until a signal ends it.
 *
 * @param what the device in words
 * @param device makes the device of each session
 * @param sample a device that tells features and type, and serves nobody
 */
export async function serveDevice(
  options: ServeOptions,
  context: Context,
  what: string,
  device: () => Device,
  sample: Device = device(),
): Promise<void> {
  const { output, signal } = context;
  const { socket, connect, rings } = options;
  const uses = options.fault.map(parseFault);
  const onLoop = uses.find(({ fault: { where } }) => where === "queue" || where === "device");
  if (rings?.workers && onLoop !== undefined) {
    throw new UsageError(
      `--fault ${onLoop.fault.name}: expected a fault of messages with --workers, got one of rings or ` +
        `requests, which cannot be in a worker; leave --workers out`,
    );
  }
  const backend = applyFaults(uses, {
    device,
    rings,
    iommu: options.iommu,
    without: withheld(options, sample),
    ...wantedOptional(options, sample),
    strictness: options.strict ? "strict" : "lenient",
    observe: await messagePrinter(context, options, sample.type),
    onSession: () => output.note("front-end connected"),
    onSessionEnd: (_session, reason) => output.note(`front-end left: ${reason.message}`),
    onReplay: (requests) =>
      output.note(`requests that a back-end before had in work, served again: ${requests}`),
    onProblem: (problem) => output.note(`problem: ${problem.message}`),
  } satisfies BackendOptions);
  if (options.fd !== undefined) {
    output.note(`serving descriptor ${options.fd} (${what})`);
    await serveInherited(new OwnedFd(options.fd), { ...backend, signal });
  } else if (socket === undefined) {
    output.note(`connecting to ${connect} (${what})`);
    await connectBackend(connect ?? "", {
      ...backend,
      reconnect: true,
      signal,
      timeoutMs: options.timeout,
    });
  } else {
    const server = await BackendServer.listen(socket, backend);
    output.note(`listening on ${socket} (${what})`);
    await aborted(signal);
    server.close();
  }
}

/** SIGTERM is how a back-end program is told to end: that is success. @throws the signal's reason */
export function endOnSignal({ signal }: Context): void {
  if (signal.reason instanceof InterruptError && signal.reason.signal === "SIGINT")
    throw signal.reason;
}

function faultList(): string[] {
  const syntax = (fault: (typeof faults)[number]): string =>
    `${fault.name}${fault.parameter ? "[=N]" : ""}${fault.takesRequest ? "[@request[:n]]" : ""}`;
  const width = Math.max(...faults.map((fault) => syntax(fault).length));
  return faults.map((fault) => {
    const { parameter, breaks } = fault;
    const number = parameter
      ? ` (N: ${parameter.summary}, ${parameter.min} to ${parameter.max}, else ${parameter.standard})`
      : "";
    const rule = breaks === undefined ? " [allowed]" : "";
    return `${syntax(fault).padEnd(width)}  ${fault.summary}${number}${rule}`;
  });
}

/** What is implemented and yet not to be offered. */
function withheld({ features, without = [], iommu }: ServeOptions, device: Device): FeatureMasks {
  const out = parseFeatures(without, device.type);
  if (features === undefined) return out;
  const wanted = parseFeatures(features, device.type);
  const all = {
    virtio:
      BACKEND_RING_FEATURES |
      VirtioFeature.RingReset |
      device.features |
      (iommu ? VirtioFeature.AccessPlatform : 0n),
    protocol: protocolFeaturesOf(device) | BACKEND_OPTIONAL_FEATURES,
  };
  const missing = {
    virtio: wanted.virtio & ~all.virtio,
    protocol: wanted.protocol & ~all.protocol,
  };
  if (missing.virtio !== 0n || missing.protocol !== 0n) {
    throw new UsageError(
      `expected features that this back-end implements, got also virtio 0x${missing.virtio.toString(16)}, ` +
        `protocol 0x${missing.protocol.toString(16)}`,
    );
  }
  return {
    virtio: out.virtio | (all.virtio & ~wanted.virtio),
    protocol: out.protocol | (all.protocol & ~wanted.protocol),
  };
}

/** What is offered only because it was named. */
function wantedOptional(
  { features = [], also = [] }: ServeOptions,
  device: Device,
): Pick<BackendOptions, "optional" | "ringReset"> {
  const { virtio, protocol } = parseFeatures(also, device.type);
  const { RingReset } = VirtioFeature;
  if ((virtio & ~RingReset) !== 0n || (protocol & ~BACKEND_OPTIONAL_FEATURES) !== 0n) {
    const names = [...protocolFeatureNames(BACKEND_OPTIONAL_FEATURES), "VIRTIO_F_RING_RESET"];
    throw new UsageError(`--also: expected one of ${names.join(", ")}, got ${also.join(",")}`);
  }
  const named = parseFeatures(features, device.type);
  return {
    optional: protocol | (named.protocol & BACKEND_OPTIONAL_FEATURES),
    ringReset: ((virtio | named.virtio) & RingReset) !== 0n,
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
