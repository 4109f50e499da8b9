#!/usr/bin/env node
// The net back-end program, by the conventions of the specification.
import { run } from "./run.js";

await run(["backend", "net", ...process.argv.slice(2)]);
