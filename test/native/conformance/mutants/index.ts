import type { Mutant } from "../mutant.ts";
import { header } from "./header.ts";

/** By the check that must catch it. */
export const mutants: Readonly<Record<string, Mutant>> = { ...header };
