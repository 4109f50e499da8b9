import { fault, type Mutant } from "../mutant.ts";

export const clean: Readonly<Record<string, Mutant>> = {
  "clean/1": fault("refuse@SET_VRING_NUM"),
};
