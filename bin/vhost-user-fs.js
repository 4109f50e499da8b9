#!/usr/bin/env node
// The fs back-end program, by the conventions of the specification.
import { run } from "./run.js";

await run(["backend", "fs", ...process.argv.slice(2)]);
