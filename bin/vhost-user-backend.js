#!/usr/bin/env node
// Back-end programs by the conventions of the specification: what they are follows from the name
// by which they are called, e.g. vhost-user-block.
import { basename } from "node:path";
import process from "node:process";

const [, called = ""] = process.argv;
const type = /^vhost-user-(block|net|fs)(?:\.js)?$/.exec(basename(called))?.[1];
const { main } = await import("../dist/src/cli/main.js");
await main(["backend", ...(type === undefined ? [] : [type]), ...process.argv.slice(2)]);
