#!/usr/bin/env node
// The block back-end program, by the conventions of the specification.
import { run } from "./run.js";

await run(["backend", "block", ...process.argv.slice(2)]);
