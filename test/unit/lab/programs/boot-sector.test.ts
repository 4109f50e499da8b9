import assert from "node:assert/strict";
import { test } from "node:test";
import { bootSector } from "../../../../src/lab/programs/index.ts";

const codeBytes = 24;

test("a boot sector is code, the message with its NUL, and the signature", () => {
  const sector = bootSector("hi");
  assert.equal(sector.length, 512);
  assert.equal(
    Buffer.from(sector.subarray(0, codeBytes)).toString("hex"),
    // cld; xor ax,ax; mov ds,ax; mov si,7c18; lodsb; test al,al; jz +4; out e9,al; jmp -9;
    // mov al,10; out f4,al; hlt; jmp -3
    "fc31c08ed8be187cac84c07404e6e9ebf7b010e6f4f4ebfd",
  );
  assert.equal(Buffer.from(sector.subarray(codeBytes, codeBytes + 3)).toString(), "hi\0");
  assert.ok(sector.subarray(codeBytes + 3, 510).every((byte) => byte === 0));
  assert.deepEqual([...sector.subarray(510)], [0x55, 0xaa]);
});

test("the longest message still leaves the signature in place", () => {
  const sector = bootSector("x".repeat(480));
  assert.deepEqual([...sector.subarray(codeBytes + 479, codeBytes + 481)], [0x78, 0]);
  assert.deepEqual([...sector.subarray(510)], [0x55, 0xaa]);
});

test("a message that does not fit or is not ASCII is refused", () => {
  for (const message of ["x".repeat(481), "é", "a\0b"]) {
    assert.throws(() => bootSector(message), RangeError);
  }
});
