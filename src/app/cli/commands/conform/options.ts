import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import type { FailOn } from "../../../../lab/results/index.ts";
import type { Profile, Strength } from "../../../../lab/conformance/index.ts";
import type { CommonOptions } from "../../context.ts";
import type { ReportFiles } from "./reports.ts";

/** The options of the command line. */
export interface ConformOptions extends CommonOptions, ReportFiles {
  readonly exec?: string | undefined;
  readonly shell?: true | undefined;
  readonly frontEnd?: true | undefined;
  readonly listen?: true | undefined;
  /** A device type, or the path of a module whose default export is a kit. */
  readonly device?: DeviceKind | string | undefined;
  readonly only?: string[] | undefined;
  readonly except?: string[] | undefined;
  readonly profile?: Profile | undefined;
  readonly strength?: readonly Strength[] | undefined;
  readonly list?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly failOn: FailOn;
  /** Time-out of one check as a whole, milliseconds. */
  readonly checkTimeout: number;
  readonly timeoutFactor: number;
  readonly seed?: number | undefined;
  readonly repeat: number;
  readonly json?: true | undefined;
  readonly listBaselines?: true | undefined;
  readonly baseline?: string | undefined;
  readonly updateBaseline?: true | undefined;
  readonly targetVersion?: string | undefined;
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
}
