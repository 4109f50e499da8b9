import type { Command, CommandUnknownOpts } from "commander";
import type { DeviceKind } from "../../../endpoints/devices/kind.ts";
import type { FirstRequest } from "../../../lab/workloads/index.ts";
import type { Context } from "../context.ts";
import type { BackendProgram } from "../commands/backend/program.ts";

/** Loads the definition of a command, so that only the command in use costs time at the start. */
type LoadCommand = () => Promise<(context: Context) => CommandUnknownOpts>;

/** Adds a command to those of the first level. */
export type AddCommand = (program: Command, context: Context) => Promise<void> | void;

/** The commands that the command line has for a device type. */
export interface DeviceCommands {
  readonly kind: DeviceKind;
  /** `serve TYPE` */
  readonly serve?: LoadCommand;
  /** `io TYPE` */
  readonly io?: LoadCommand;
  /** `bench TYPE` */
  readonly bench?: LoadCommand;
  /** `bench backend TYPE` */
  readonly benchBackend?: LoadCommand;
  /** Commands of the first level that work on this device type, by their names. */
  readonly own?: Readonly<Record<string, () => Promise<AddCommand>>>;
  /** The part of a device type that `bench connect` needs for a session. */
  readonly firstRequest?: () => Promise<FirstRequest>;
  /** `backend TYPE` and the program `vhost-user-TYPE` */
  readonly program?: BackendProgram;
}
