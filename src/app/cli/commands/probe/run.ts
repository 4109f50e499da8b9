import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import { probe } from "../../../../lab/probe/index.ts";
import { parsedLate } from "../../options.ts";
import { type CommonOptions, type Context, messagePrinter } from "../../context.ts";

export interface ProbeCommandOptions extends CommonOptions {
  /** Not parsed yet. */
  readonly device?: string | undefined;
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
  const device = await kindOf(options.device);
  // Loaded while the peer is waited for.
  const printing = import("./text.ts");
  const { program, ...result } = await probe(socket, {
    device,
    strictness: options.strict ? "strict" : "lenient",
    timeoutMs: options.timeout,
    signal,
    observe: await messagePrinter(context, options, device),
  });
  if (options.json) output.json({ schemaVersion: 1, kind: "probe", ...result });
  else {
    const { describeProbe } = await printing;
    for (const line of describeProbe(result, program, options.explain === true)) output.print(line);
  }
  if (program !== undefined && ONE_SHOT_PROGRAMS.has(program)) {
    output.note(
      `note: ${program} serves one front-end and exits when it leaves; start it again for the next`,
    );
  }
}

/**
 * Loads the device types only where one is named: they bring all drivers along.
 *
 * @throws {UsageError} there is no such type, or the module exports no kit
 */
async function kindOf(name: string | undefined): Promise<DeviceKind | undefined> {
  if (name === undefined) return undefined;
  const { parseDeviceOrModule } = await import("../../device-option.ts");
  const device = parsedLate("--device", name, parseDeviceOrModule);
  if (typeof device !== "string") return device;
  return (await (await import("../../kit-module.ts")).loadKit(device)).kind;
}
