import { UsageError } from "../../../../core/base/index.ts";
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
} from "../../../../endpoints/backend/index.ts";
import { OwnedFd, type SocketAccess } from "../../../../core/os/index.ts";
import { applyFaults, faults, parseFault } from "../../../../lab/faults/index.ts";
import { protocolFeatureNames, VirtioFeature } from "../../../../core/protocol/index.ts";
import { withCleanUp } from "../../clean-up.ts";
import { type CommonOptions, type Context, messagePrinter } from "../../context.ts";
import { InterruptError } from "../../exit-code.ts";
import type { LogFormat } from "../../output.ts";
import { passedElsewhere, passedSockets, takePassedSockets } from "../../service/activation.ts";
import { Service } from "../../service/service.ts";
import { describeDeparture } from "./departure.ts";
import { type FeatureMasks, parseFeatures } from "./features.ts";
import { SessionLines } from "./session-lines.ts";

/** Options of every command that is a back-end. */
export interface ServeOptions extends CommonOptions {
  readonly socket?: string | undefined;
  readonly connect?: string | undefined;
  /** An inherited socket, listening or connected. */
  readonly fd?: number | undefined;
  readonly socketMode?: number | undefined;
  /** Group id. */
  readonly socketGroup?: number | undefined;
  readonly pidFile?: string | undefined;
  readonly logFormat?: LogFormat | undefined;
  readonly features?: readonly string[] | undefined;
  readonly without?: readonly string[] | undefined;
  readonly iommu?: true | undefined;
  readonly enable?: readonly string[] | undefined;
  readonly fault?: readonly string[] | undefined;
  readonly listFaults?: true | undefined;
  readonly strict?: true | undefined;
  readonly timeout: number;
  /** The ring options, of devices that have them. */
  readonly rings?: RingOptions | undefined;
}

/** Prints the faults for `--list-faults`. Returns true if it did, so that the command ends. */
export function listedFaults({ listFaults }: ServeOptions, { output }: Context): boolean {
  if (!listFaults) return false;
  for (const line of faultList()) output.print(line);
  return true;
}

/**
 * @throws {UsageError} not exactly one of `--socket`, `--connect`, `--fd` and sockets of the service
 *   manager; access to a socket that is not made here
 */
export function expectOneSocket(options: ServeOptions, { output }: Context): void {
  const { socket, connect, fd, socketMode, socketGroup, logFormat = "text" } = options;
  output.logFormat = logFormat;
  const { env, pid } = process;
  const passed = passedSockets(env, pid);
  const given = [
    ...(socket === undefined ? [] : ["--socket"]),
    ...(connect === undefined ? [] : ["--connect"]),
    ...(fd === undefined ? [] : ["--fd"]),
    ...(passed === 0 ? [] : [`the sockets of the service manager (LISTEN_FDS=${passed})`]),
  ];
  const [place = "", other] = given;
  if (other !== undefined) throw new UsageError(`${given.join(" and ")} cannot be combined`);
  if (place === "") {
    throw new UsageError(
      "there is no socket to serve: give --socket PATH (to listen), --connect PATH or --fd NUMBER" +
        passedElsewhere(env, pid),
    );
  }
  if (socket === undefined && (socketMode !== undefined || socketGroup !== undefined)) {
    const option = socketMode === undefined ? "--socket-group" : "--socket-mode";
    throw new UsageError(
      `${option} and ${place} cannot be combined: the access to a socket is set by the program that makes it`,
    );
  }
}

/**
 * Is a back-end until a signal ends it.
 *
 * @param what the device in words
 * @param device makes the device of each session
 * @param sample a device whose features and type are read and which serves no front-end
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
  output.timed = options.verbose === true;
  const uses = (options.fault ?? []).map(parseFault);
  const onLoop = uses.find(({ fault: { where } }) => where === "queue" || where === "device");
  if (rings?.workers && onLoop !== undefined) {
    throw new UsageError(
      `--fault ${onLoop.fault.name} and --workers cannot be combined: faults of rings and requests ` +
        `need the main thread; leave --workers out`,
    );
  }
  const lines = new SessionLines(output);
  const backend = applyFaults(uses, {
    device,
    rings,
    iommu: options.iommu,
    without: withheld(options, sample),
    ...wantedOptional(options, sample),
    strictness: options.strict ? "strict" : "lenient",
    observe: await messagePrinter(context, options, sample.type),
    onSession: () => lines.note("front-end connected"),
    onSessionEnd: (session, reason) => lines.note(describeDeparture(session, reason)),
    onReplay: (requests) =>
      lines.note(`requests resubmitted from the in-flight region: ${requests}`),
    onProblem: (problem, ends) => {
      // What ends the session is the reason for which the front-end leaves.
      if (!ends) lines.warn(`problem: ${problem.message}`);
    },
  } satisfies BackendOptions);
  const { pidFile, socketMode: mode, socketGroup: group } = options;
  const service = new Service(context, { notifySocket: process.env["NOTIFY_SOCKET"], pidFile });
  const stopping = (): void => service.stopping();
  signal.addEventListener("abort", stopping, { once: true });
  const steps = [
    { what: "report the end", run: stopping },
    { what: `remove ${pidFile}`, run: () => service.close() },
  ];
  await withCleanUp(context, steps, async () => {
    if (socket !== undefined) {
      await serveAt(socket, { ...backend, access: { mode, group } }, context, what, service);
    } else if (connect !== undefined) {
      output.note(`connecting to ${connect} (${what})`);
      const { onSession }: BackendOptions = backend;
      service.writePidFile();
      await connectBackend(connect, {
        ...backend,
        onSession: (session) => {
          service.ready();
          onSession?.(session);
        },
        reconnect: true,
        onRetry: (retry) => lines.retry(retry),
        signal,
        timeoutMs: options.timeout,
      });
    } else {
      await servePassed(options.fd, backend, context, what, service);
    }
  });
  lines.close();
  signal.removeEventListener("abort", stopping);
}

async function serveAt(
  socket: string,
  options: BackendOptions & { readonly access: SocketAccess },
  { output, signal }: Context,
  what: string,
  service: Service,
): Promise<void> {
  const server = await BackendServer.listen(socket, options);
  try {
    service.ready();
    output.note(`listening on ${socket} (${what})`);
    await aborted(signal);
  } finally {
    await server.end();
  }
}

/** @param number `--fd`; without it: the sockets of the service manager */
async function servePassed(
  number: number | undefined,
  options: BackendOptions,
  { output, signal }: Context,
  what: string,
  service: Service,
): Promise<void> {
  const sockets =
    number === undefined ? takePassedSockets(process.env, process.pid) : [new OwnedFd(number)];
  const plural = sockets.length === 1 ? "" : "s";
  const which =
    number === undefined
      ? `${sockets.length} socket${plural} of the service manager`
      : `descriptor ${number}`;
  output.note(`serving ${which} (${what})`);
  let waiting = sockets.length;
  const onReady = (): void => {
    waiting -= 1;
    if (waiting === 0) service.ready();
  };
  // A socket that cannot be served ends the service on all sockets.
  const failed = new AbortController();
  const end = AbortSignal.any([signal, failed.signal]);
  await Promise.all(
    sockets.map(async (socket) => {
      try {
        await serveInherited(socket, { ...options, onReady, signal: end });
      } catch (error) {
        failed.abort();
        throw error;
      }
    }),
  );
}

/**
 * A back-end program that ends on SIGTERM or SIGHUP succeeds.
 *
 * @throws the signal's reason on SIGINT
 */
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

/** Implemented features that are not offered. */
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
      `this back-end does not implement the features virtio 0x${missing.virtio.toString(16)}, ` +
        `protocol 0x${missing.protocol.toString(16)} of --features; leave them out`,
    );
  }
  return {
    virtio: out.virtio | (all.virtio & ~wanted.virtio),
    protocol: out.protocol | (all.protocol & ~wanted.protocol),
  };
}

/** Features that are offered only because the user named them. */
function wantedOptional(
  { features = [], enable = [] }: ServeOptions,
  device: Device,
): Pick<BackendOptions, "optional" | "ringReset"> {
  const { virtio, protocol } = parseFeatures(enable, device.type);
  const { RingReset } = VirtioFeature;
  if ((virtio & ~RingReset) !== 0n || (protocol & ~BACKEND_OPTIONAL_FEATURES) !== 0n) {
    const names = [...protocolFeatureNames(BACKEND_OPTIONAL_FEATURES), "VIRTIO_F_RING_RESET"];
    throw new UsageError(
      `--enable: "${enable.join(",")}" must be one or more of ${names.join(", ")}`,
    );
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
