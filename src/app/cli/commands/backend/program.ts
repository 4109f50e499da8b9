import type { Context } from "../../context.ts";
import type { ServeOptions } from "../serve/common.ts";

/** An option of a back-end program, besides those that every program has. */
interface ProgramOption {
  /** Like `--print-capabilities` prints it, without the dashes. */
  readonly name: string;
  /** The value, as the help calls it; undefined for an option without one. */
  readonly value?: string;
  readonly description: string;
}

/** The values of the options of a back-end program, by their names. */
export type ProgramValues = ReadonlyMap<string, string | true>;

/** A back-end program of a device type, by the conventions of the vhost-user specification. */
export interface BackendProgram {
  readonly description: string;
  readonly options: readonly ProgramOption[];
  /** Serves the device until SIGTERM. */
  run(common: ServeOptions, values: ProgramValues, context: Context): Promise<void>;
}
