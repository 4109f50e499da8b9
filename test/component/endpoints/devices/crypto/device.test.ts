import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import { RemoteError } from "../../../../../src/core/base/index.ts";
import {
  CipherAlgorithm,
  CipherDirection,
  CryptoDevice,
  CryptoOp,
  CryptoStatus,
  SymmetricOperation,
} from "../../../../../src/endpoints/devices/crypto/index.ts";
import { Client } from "../../../../../src/endpoints/frontend/index.ts";
import {
  type CryptoSession,
  ProtocolFeature,
  type SymmetricSession,
} from "../../../../../src/core/protocol/index.ts";
import { SegmentList } from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

interface Request {
  readonly opcode?: number;
  readonly session: bigint;
  readonly iv: Uint8Array;
  readonly source: Uint8Array;
  readonly room?: number;
  readonly sourceLength?: number;
}

interface Crypto {
  readonly client: Client;
  readonly problems: string[];
  readonly device: () => CryptoDevice;
  readonly run: (request: Request) => Promise<{ status: number; data: Uint8Array }>;
}

/** A crypto device and a client with a data queue. */
async function startCrypto(t: TestContext): Promise<Crypto> {
  const path = join(temporaryFolder(t), "crypto.sock");
  const problems: string[] = [];
  const devices: CryptoDevice[] = [];
  const server = await BackendServer.listen(path, {
    device: () => {
      const device = new CryptoDevice();
      devices.push(device);
      return device;
    },
    onProblem: ({ message }) => problems.push(message),
  });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  const client = await Client.connect(path, {
    memory: { size: 1 << 20 },
    protocolFeatures: ProtocolFeature.CryptoSession,
  });
  t.after(() => client.close());
  let done: (written: number) => void = () => undefined;
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: (_token, written) => done(written), failed: () => undefined },
  });
  await client.startQueue(queue);
  const buffer = client.memory.allocate(8192);
  const run: Crypto["run"] = async (request) => {
    const { opcode = CryptoOp.CipherEncrypt, session, iv, source } = request;
    const { room = source.length, sourceLength = source.length } = request;
    buffer.bytes.fill(0xff);
    const head = new Uint8Array(72);
    const view = new DataView(head.buffer);
    view.setUint32(0, opcode, true);
    view.setBigUint64(8, session, true);
    view.setUint32(24, iv.length, true);
    view.setUint32(28, sourceLength, true);
    view.setUint32(32, room, true);
    view.setUint32(64, SymmetricOperation.Cipher, true);
    const readable = Buffer.concat([head, iv, source]);
    buffer.bytes.set(readable);
    const segments = new SegmentList(2);
    segments.push(buffer.guestAddress, readable.length);
    segments.push(buffer.guestAddress + 4096, room + 1);
    const completed = new Promise<number>((resolve) => (done = resolve));
    assert.ok(queue.add(segments, 1, 0));
    queue.publish();
    await completed;
    const out = buffer.bytes.slice(4096, 4096 + room + 1);
    return { status: out[room] ?? -1, data: out.subarray(0, room) };
  };
  return { client, problems, device: () => devices[0] as CryptoDevice, run };
}

function session(change: Partial<SymmetricSession> = {}, opCode = 2n): CryptoSession {
  const parameters: SymmetricSession = {
    kind: "symmetric",
    cipherAlgorithm: CipherAlgorithm.AesCbc,
    hashAlgorithm: 0,
    resultSize: 0,
    aadSize: 0,
    operationType: SymmetricOperation.Cipher,
    direction: CipherDirection.Encrypt,
    hashMode: 0,
    chainOrder: 0,
    cipherKey: new Uint8Array(16),
    authKey: new Uint8Array(),
    ...change,
  };
  return { opCode, parameters, sessionId: 0n };
}

const modes = [
  ["ecb", CipherAlgorithm.AesEcb, 0],
  ["cbc", CipherAlgorithm.AesCbc, 16],
  ["ctr", CipherAlgorithm.AesCtr, 16],
] as const;

test("data that a session encrypts equals what node:crypto makes of it, and is decrypted to the original", async (t) => {
  const { client, run, device } = await startCrypto(t);
  for (const [name, cipherAlgorithm, ivBytes] of modes) {
    for (const keyBytes of [16, 24, 32]) {
      const cipherKey = randomBytes(keyBytes);
      const iv = randomBytes(ivBytes);
      const source = randomBytes(name === "ctr" ? 1001 : 1024);
      const open = async (direction: number): Promise<bigint> =>
        (
          await client.requests.createCryptoSession(
            session({ cipherAlgorithm, cipherKey, direction }),
          )
        ).sessionId;
      const encrypting = await open(CipherDirection.Encrypt);
      const decrypting = await open(CipherDirection.Decrypt);
      const encrypted = await run({ session: encrypting, iv, source });
      assert.equal(encrypted.status, CryptoStatus.Ok);
      const cipher = createCipheriv(
        `aes-${keyBytes * 8}-${name}`,
        cipherKey,
        ivBytes === 0 ? null : iv,
      ).setAutoPadding(false);
      const expected = Buffer.concat([cipher.update(source), cipher.final()]);
      assert.deepEqual(Buffer.from(encrypted.data), expected, name);
      const back = await run({
        opcode: CryptoOp.CipherDecrypt,
        session: decrypting,
        iv,
        source: encrypted.data,
      });
      assert.deepEqual(Buffer.from(back.data), source);
      await client.requests.closeCryptoSession(encrypting);
      await client.requests.closeCryptoSession(decrypting);
    }
  }
  assert.equal(device().sessions, 0);
});

test("sessions and requests that make no sense are refused, and the device goes on", async (t) => {
  const { client, run, problems, device } = await startCrypto(t);
  const { requests } = client;
  for (const wrong of [
    session({ cipherAlgorithm: 99 }),
    session({ operationType: SymmetricOperation.Chaining }),
    session({ direction: 0 }),
    session({ cipherKey: new Uint8Array(17) }),
    session({ cipherKey: new Uint8Array(0) }),
    session({}, 0x102n),
  ]) {
    assert.ok((await requests.createCryptoSession(wrong)).sessionId < 0n);
  }
  assert.equal(problems.length, 6);
  await assert.rejects(requests.closeCryptoSession(0n), RemoteError);
  const { sessionId } = await requests.createCryptoSession(session());
  const iv = new Uint8Array(16);
  const source = new Uint8Array(32);
  const cases: readonly [Request, number][] = [
    [{ session: sessionId, iv, source, opcode: 0x999 }, CryptoStatus.NotSupported],
    [{ session: sessionId + 1n, iv, source }, CryptoStatus.InvalidSession],
    [
      { session: sessionId, iv, source, opcode: CryptoOp.CipherDecrypt },
      CryptoStatus.InvalidSession,
    ],
    [{ session: sessionId, iv: new Uint8Array(15), source }, CryptoStatus.BadMessage],
    [{ session: sessionId, iv, source: new Uint8Array(31) }, CryptoStatus.BadMessage],
    [{ session: sessionId, iv, source, room: 16 }, CryptoStatus.BadMessage],
    [{ session: sessionId, iv, source, sourceLength: 0xffff_fff0 }, CryptoStatus.BadMessage],
  ];
  for (const [request, status] of cases) assert.equal((await run(request)).status, status);
  assert.equal((await run({ session: sessionId, iv, source })).status, CryptoStatus.Ok);
  let opened = 1;
  while ((await requests.createCryptoSession(session())).sessionId >= 0n) opened += 1;
  assert.equal(opened, 4096);
  await requests.setStatus(0);
  assert.equal(device().sessions, 0, "a reset closes them");
});
