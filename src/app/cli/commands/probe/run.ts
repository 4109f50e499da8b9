import { probe } from "../../../../lab/probe/index.ts";
import { namedKind } from "../../named-kind.ts";
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
  const device = await namedKind(options.device);
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
