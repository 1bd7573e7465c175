import { createPrivateKey, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '../dev/embedded-postgres/free-port.js';
import { Clock } from '../src/common/clock.js';
import { nonce } from '../src/common/ids.js';
import type { Job } from './job.js';
import type { BenchKeys } from './keys.js';
import { Worker } from './worker.js';

export interface Channel {
  port: number;
  stop(): Promise<void>;
}

/**
 * A stand-in for WeChat Pay that is never the bottleneck: it takes every order as good, and signs its one answer anew
 * each second instead of each time. In a process of its own.
 * @param delayMs how long it takes to answer
 */
export async function startChannel(script: string, keys: BenchKeys, delayMs: number): Promise<Channel> {
  const worker = Worker.start(script);
  const port = await freePort();
  await worker.prepare('channel', {
    port,
    delayMs,
    publicKeyId: keys.publicKeyId,
    platformPrivateKey: keys.platformPrivateKey,
  });
  return { port, stop: () => worker.stop() };
}

const clock = new Clock();
const BODY = Buffer.from(JSON.stringify({ prepay_id: 'wx23210000000000000000000000000001' }));

const channel: Job = async (input) => {
  const key = createPrivateKey(String(input.platformPrivateKey));
  const delayMs = Number(input.delayMs);
  let headers: Record<string, string> = {};
  const signAnew = (): void => {
    const timestamp = String(Math.floor(clock.now().getTime() / 1000));
    const random = nonce();
    const message = Buffer.from(`${timestamp}\n${random}\n${BODY.toString()}\n`);
    headers = {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': String(BODY.length),
      'Wechatpay-Timestamp': timestamp,
      'Wechatpay-Nonce': random,
      'Wechatpay-Serial': String(input.publicKeyId),
      'Wechatpay-Signature': sign('sha256', message, key).toString('base64'),
      'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
    };
  };
  signAnew();
  setInterval(signAnew, 1000);
  const server = createServer((request, response) => {
    request.resume();
    const answer = () => response.writeHead(200, headers).end(BODY);
    request.on('end', delayMs === 0 ? answer : () => setTimeout(answer, delayMs));
  });
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((done) => server.listen(Number(input.port), '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    run: () => Promise.reject(new Error(`the channel on port ${port} answers, it does not run`)),
  };
};

export const CHANNEL_JOBS = { channel };
