import { probe, type Probe } from "../../../probe/index.ts";
import {
  type DeviceName,
  explainProtocolFeatures,
  explainVirtioFeatures,
} from "../../../protocol/index.ts";
import { type CommonOptions, type Context, messagePrinter } from "../../context.ts";

export interface ProbeCommandOptions extends CommonOptions {
  readonly device?: DeviceName | undefined;
  readonly explain?: true | undefined;
  readonly json?: true | undefined;
  readonly strict?: true | undefined;
  readonly timeout: number;
}

/** Front-ends are served one after another, or the daemon ends with its front-end: say so. */
const ONE_SHOT_PROGRAMS = new Set(["virtiofsd"]);

export async function runProbe(
  socket: string,
  options: ProbeCommandOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { program, ...result } = await probe(socket, {
    device: options.device,
    strictness: options.strict ? "strict" : "lenient",
    timeoutMs: options.timeout,
    signal,
    observe: messagePrinter(context, options, options.device),
  });
  if (options.json) output.json(result);
  else for (const line of describe(result, program, options.explain === true)) output.print(line);
  if (program !== undefined && ONE_SHOT_PROGRAMS.has(program)) {
    output.note(
      `note: ${program} serves one front-end and exits when it leaves; start it again for the next`,
    );
  }
}

type Result = Omit<Probe, "program">;

function describe(result: Result, program: string | undefined, explain: boolean): string[] {
  const verb = result.role === "back-end" ? "offers" : "acknowledges";
  return [
    `socket            ${result.socket}`,
    `role              ${result.role}${program === undefined ? "" : ` (${program})`}`,
    `device            ${result.device ?? "unknown; name it with --device"}`,
    ...(result.role === "back-end" ? virtioFeatures(result, explain) : []),
    `protocol features ${result.protocolFeatureBits ?? `none: the peer ${verb} no VHOST_USER_F_PROTOCOL_FEATURES`}`,
    ...protocolFeatures(result, explain),
    ...(result.queues === null ? [] : [`queues            ${result.queues}`]),
    ...(result.memorySlots === null ? [] : [`memory slots      ${result.memorySlots}`]),
    ...(result.config === null ? [] : ["config", ...fields(result.config)]),
    `time              ${times(result)}`,
  ];
}

function virtioFeatures(result: Result, explain: boolean): string[] {
  const bits = BigInt(result.virtioFeatureBits ?? 0);
  const list = explain
    ? explained(explainVirtioFeatures(bits, result.device ?? undefined))
    : result.virtioFeatures.map((name) => `  ${name}`);
  return [`virtio features   ${result.virtioFeatureBits}`, ...list];
}

function protocolFeatures(result: Result, explain: boolean): string[] {
  return explain
    ? explained(explainProtocolFeatures(BigInt(result.protocolFeatureBits ?? 0)))
    : result.protocolFeatures.map((name) => `  ${name}`);
}

function explained(features: { bit: number; name: string; text: string }[]): string[] {
  const width = Math.max(0, ...features.map(({ name }) => name.length));
  return features.map(
    ({ bit, name, text }) => `  ${String(bit).padStart(2)} ${name.padEnd(width)}  ${text}`,
  );
}

function fields(config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(config).map(([name, value]) => {
    const text =
      value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
    return `  ${name.padEnd(22)} ${text}`;
  });
}

function times({ timingsUs }: Result): string {
  return Object.entries(timingsUs)
    .filter(([, us]) => us !== null)
    .map(([phase, us]) => `${phase} ${us} µs`)
    .join(", ");
}
