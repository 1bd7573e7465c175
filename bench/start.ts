import { SignJWT } from 'jose';
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import type { Bed, Bench } from './bench.js';
import type { Job } from './job.js';
import { inParallel, type LoadRequest, sendAll } from './load.js';
import { addOpen, countOpen, CUSTOMER, OPEN, rowId, sizeOf } from './rows.js';
import { withCpu } from './service.js';

/** Starts of payments against the cryptography that each of them needs: nothing can make a start cheaper than that. */
export const start: Bench = {
  name: 'start',
  about: 'payments started; baseline: two signatures on the thread pool and one check each',

  async service(bed, range) {
    const { db, keys, service, load, concurrency } = bed;
    await addOpen(db, keys, { status: 'init', ...range });
    const token = await customersToken(bed);
    const run = await load.prepare('start.requests', { ...range, token, port: service.port, concurrency });
    return withCpu(service, run);
  },

  async baseline({ keys, load, concurrency }, { count }) {
    const { merchantPrivateKey, platformPrivateKey } = keys;
    const run = await load.prepare('start.crypto', { count, concurrency, merchantPrivateKey, platformPrivateKey });
    return { ...(await run()), cpuSeconds: null };
  },

  async check({ db }, served) {
    const started = await countOpen(
      db,
      served,
      `p.status = 'processing' AND p.prepay_id IS NOT NULL AND o.status = 'pending'`,
    );
    if (started !== sizeOf(served)) throw new Error(`${sizeOf(served)} payments were started, ${started} are`);
  },
};

function customersToken({ keys }: Bed): Promise<string> {
  return new SignJWT({ role: 'user' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(CUSTOMER.id)
    .setAudience('paydesk')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(Buffer.from(keys.jwtSecret));
}

const requests: Job = ({ first, count, port, token, concurrency }) => {
  const headers = { Authorization: `Bearer ${token}` };
  const all = Array.from({ length: Number(count) }, (_, index): LoadRequest => {
    const id = rowId('pay', OPEN, Number(first) + index);
    return { method: 'POST', path: `/api/payments/${id}/start/`, headers };
  });
  return Promise.resolve({ run: () => sendAll(Number(port), Number(concurrency), all) });
};

/** About the size of what is signed and checked in a start. */
const MESSAGE_BYTES = 500;

const crypto: Job = ({ count, concurrency, merchantPrivateKey, platformPrivateKey }) => {
  const merchant = createPrivateKey(String(merchantPrivateKey));
  const platform = createPrivateKey(String(platformPrivateKey));
  const message = randomBytes(MESSAGE_BYTES);
  const signature = sign('sha256', message, platform);
  const publicKey = createPublicKey(platform);
  return Promise.resolve({
    run: () =>
      inParallel(Number(count), Number(concurrency), async () => {
        await signOnPool(message, merchant);
        await signOnPool(message, merchant);
        return verify('sha256', message, publicKey, signature);
      }),
  });
};

function signOnPool(message: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', message, key, (error, signature) => (error ? reject(error) : resolve(signature)));
  });
}

export const START_JOBS = { 'start.requests': requests, 'start.crypto': crypto };
