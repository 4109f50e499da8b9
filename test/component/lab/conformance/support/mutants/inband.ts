import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { type Mutant, throughHandler } from "../mutant.ts";

export const inband: Readonly<Record<string, Mutant>> = {
  "inband/1": throughHandler("only acknowledges kicks that come as messages", () => ({
    [FrontendRequest.VringKick]: () => () => undefined,
  })),
};
