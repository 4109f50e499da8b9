import type { Mutant } from "../mutant.ts";
import { ack } from "./ack.ts";
import { features } from "./features.ts";
import { framing } from "./framing.ts";
import { header } from "./header.ts";
import { proto } from "./proto.ts";

/** By the check that must catch it. */
export const mutants: Readonly<Record<string, Mutant>> = {
  ...header,
  ...framing,
  ...features,
  ...proto,
  ...ack,
};
