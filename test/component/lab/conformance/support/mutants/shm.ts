import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { hangsOn, type Mutant } from "../mutant.ts";

export const shm: Readonly<Record<string, Mutant>> = {
  "shm/1": hangsOn(
    "GET_SHMEM_CONFIG although it offers SHMEM",
    ({ header }) => header.request === FrontendRequest.GetShmemConfig,
    "shm",
  ),
};
