import type { Check } from "./check.ts";
import { header } from "./checks/header.ts";

/** Every check, in the order in which they are made. */
export const checks: readonly Check[] = [...header];
