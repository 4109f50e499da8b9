import {
  distributionTitles,
  type Finding,
  Ledger,
  survey,
} from "../../../../lab/programs/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { ExitCode } from "../../exit-code.ts";

export interface CheckOptions extends CommonOptions {
  readonly json?: true | undefined;
}

export async function runCheck(options: CheckOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  output.progress(() => "looking; trying KVM takes up to three seconds");
  const findings = await survey(Ledger.open(), { signal, qemu: process.env["QEMU"] || undefined });
  const missing = findings.filter(({ ok, required }) => required && !ok);
  if (options.json)
    output.json({ schemaVersion: 1, kind: "check", ok: missing.length === 0, findings });
  else {
    for (const line of lines(findings, context)) output.print(line);
    output.print("");
    output.print(
      missing.length === 0
        ? "everything that is required is there"
        : `required and missing: ${missing.map(({ name }) => name).join(", ")}`,
    );
  }
  if (missing.length > 0) process.exitCode = ExitCode.Failed;
}

function lines(findings: readonly Finding[], { output }: Context): string[] {
  const width = Math.max(...findings.map(({ name }) => name.length));
  return findings.flatMap((finding) => {
    const { name, ok, required, purpose, detail, install, remedy } = finding;
    const mark = ok
      ? output.style("green", "✓")
      : required
        ? output.style("red", "✗")
        : output.style("yellow", "-");
    const rest = ok ? detail : `${detail} [${required ? "required" : "optional"}: ${purpose}]`;
    return [
      `${mark} ${name.padEnd(width)}  ${rest}`,
      ...install.map(({ distribution, command }) => {
        return `    ${distributionTitles[distribution]}: ${command ?? "not packaged"}`;
      }),
      ...(remedy === null ? [] : [`    ${remedy}`]),
    ];
  });
}
