/** Helpers of the tests that run against real programs. */
export { needsGuest, needsProgram, needsRoot } from "./needs.ts";
export { diskImage, sha256OfFile, temporaryDirectory } from "./temporary.ts";
