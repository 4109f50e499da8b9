/** Helpers of the tests that run against real programs. */
export { needsBootRom, needsChromium, needsGuest, needsProgram, needsRoot } from "./needs.ts";
export { diskImage, sha256OfFile, temporaryDirectory } from "./temporary.ts";
