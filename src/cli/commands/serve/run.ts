import { fdatasyncSync } from "node:fs";
import { UsageError } from "../../../base/index.ts";
import {
  BACKEND_PROTOCOL_FEATURES,
  BACKEND_RING_FEATURES,
  type BackendOptions,
  BackendServer,
  connectBackend,
} from "../../../backend/index.ts";
import { BlockDevice, BlockStorage } from "../../../devices/block/index.ts";
import { applyFaults, faults, parseFault } from "../../../mutants/index.ts";
import { ProtocolFeature } from "../../../protocol/index.ts";
import { type CommonOptions, type Context, messagePrinter } from "../../context.ts";
import { InterruptError } from "../../exit-code.ts";
import { withUserFile } from "../../files.ts";
import { formatSize } from "../../units.ts";
import { type FeatureMasks, parseFeatures } from "./features.ts";

const DEFAULT_SIZE = 64 << 20;

export interface ServeBlockOptions extends CommonOptions {
  readonly socket?: string | undefined;
  readonly connect?: string | undefined;
  readonly image?: string | undefined;
  readonly size?: number | undefined;
  readonly readOnly?: true | undefined;
  readonly queues: number;
  readonly features?: readonly string[] | undefined;
  readonly without?: readonly string[] | undefined;
  readonly fault: readonly string[];
  readonly listFaults?: true | undefined;
  readonly strict?: true | undefined;
  readonly timeout: number;
}

export async function serveBlock(options: ServeBlockOptions, context: Context): Promise<void> {
  if (options.listFaults) {
    for (const line of faultList()) context.output.print(line);
    return;
  }
  const { output, signal } = context;
  const { socket, connect } = options;
  if ((socket === undefined) === (connect === undefined)) {
    throw new UsageError(
      "expected either --socket PATH (to listen) or --connect PATH, got neither or both",
    );
  }
  const readOnly = options.readOnly === true;
  const storage =
    options.image === undefined
      ? BlockStorage.memory(options.size ?? DEFAULT_SIZE, { readOnly })
      : openImage(options.image, readOnly);
  try {
    const device = () => new BlockDevice({ storage, queues: options.queues });
    const backend = applyFaults(options.fault.map(parseFault), {
      device,
      without: withheld(options, device().features),
      strictness: options.strict ? "strict" : "lenient",
      observe: await messagePrinter(context, options, "block"),
      onSession: () => output.note("front-end connected"),
      onSessionEnd: (_session, reason) => output.note(`front-end left: ${reason.message}`),
      onProblem: (problem) => output.note(`refused: ${problem.message}`),
    } satisfies BackendOptions);
    const what = `block, ${formatSize(storage.size)}${readOnly ? ", read-only" : ""}, queues: ${options.queues}`;
    if (socket === undefined) {
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
    if (!readOnly) fdatasyncSync(storage.fd);
  } finally {
    storage.close();
  }
  // SIGTERM is how a back-end program is told to end: that is success.
  if (signal.reason instanceof InterruptError && signal.reason.signal === "SIGINT")
    throw signal.reason;
}

function openImage(path: string, readOnly: boolean): BlockStorage {
  const expected = `an image that can be ${readOnly ? "read" : "read and written"}`;
  const remedy = `make one with: truncate -s 64M ${path}`;
  return withUserFile(path, expected, remedy, () => BlockStorage.open(path, { readOnly }));
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
function withheld({ features, without = [] }: ServeBlockOptions, device: bigint): FeatureMasks {
  const out = parseFeatures(without, "block");
  if (features === undefined) return out;
  const wanted = parseFeatures(features, "block");
  const all = {
    virtio: BACKEND_RING_FEATURES | device,
    protocol: BACKEND_PROTOCOL_FEATURES | ProtocolFeature.Config,
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

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
