import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import { faults, parseFault } from "../../../../src/lab/faults/index.ts";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";

const { GetFeatures, GetConfig, SetVringNum } = FrontendRequest;
const LAST = Math.max(...Object.values(FrontendRequest));

describe("parseFault", () => {
  const cases: [
    text: string,
    name: string,
    request?: number | undefined,
    occurrence?: number | undefined,
    parameter?: number | undefined,
  ][] = [
    ["no-reply", "no-reply"],
    ["No_Reply", "no-reply"],
    ["no-reply@1", "no-reply", GetFeatures],
    ["no-reply@GET_FEATURES", "no-reply", GetFeatures],
    ["no-reply@VHOST_USER_GET_FEATURES", "no-reply", GetFeatures],
    ["no-reply@get-features:3", "no-reply", GetFeatures, 3],
    ["refuse@vhost_user_set_vring_num:1", "refuse", SetVringNum, 1],
    ["cut-reply=7", "cut-reply", undefined, undefined, 7],
    ["cut-reply=7@GET_CONFIG:2", "cut-reply", GetConfig, 2, 7],
    ["wrong-size-field=-4", "wrong-size-field", undefined, undefined, -4],
  ];
  for (const [text, name, request, occurrence, parameter] of cases) {
    test(text, () => {
      const use = parseFault(text);
      assert.deepEqual(
        { ...use, fault: use.fault.name },
        { fault: name, request, occurrence, parameter },
      );
    });
  }

  const errors: [text: string, says: RegExp][] = [
    ["", /"" is not a fault; write it as NAME/],
    ["no-replay", /"no-replay" is not the name of a fault \(did you mean no-reply/],
    ["config", /did you mean config-/],
    ["zzzzzz", /"zzzzzz" is not the name of a fault; see --list-faults/],
    ["no-reply@", /"" is not a request of the front-end by number or name \(GET_FEATURES\)/],
    ["no-reply@GET_FEATURE", /"GET_FEATURE" is not .* \(did you mean GET_FEATURES/],
    [`no-reply@${LAST + 1}`, new RegExp(`is not the number .* from 1 to ${LAST}`)],
    ["no-reply@0", /0 is not the number .* from 1 to/],
    ["no-reply@1:0", /"0" is not a whole number from 1 to \d+/],
    ["no-reply@1:x", /"x" is not a whole number/],
    ["no-reply@1:", /"" is not a whole number/],
    ["no-reply=3", /takes no number/],
    ["cut-reply=0", /"0" is not a whole number from 1 to 4108/],
    ["cut-reply=1e3", /"1e3" is not a whole number/],
    ["lost-write@1", /has no request: remove "@1"/],
  ];
  for (const [text, says] of errors) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseFault(text),
        (error) => error instanceof UsageError && says.test(error.message),
      );
    });
  }
});

describe("the list of faults", () => {
  test("names are unique, kebab-case and not longer than a terminal column", () => {
    const names = faults.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z]+(-[a-z]+)*$/);
  });

  test("each has one line of summary, and parameters say what they count", () => {
    for (const { name, summary, parameter } of faults) {
      assert.match(summary, /^[a-z][^\n.]{10,100}$/, name);
      if (parameter === undefined) continue;
      assert.ok(parameter.min <= parameter.standard && parameter.standard <= parameter.max, name);
      assert.notEqual(parameter.summary, "");
    }
  });
});
