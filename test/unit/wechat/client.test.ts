import { createPublicKey, verify } from 'node:crypto';
import { ServerResponse } from 'node:http';
import { after, ManualClock, SECOND } from '../../../src/common/clock.js';
import { WechatCallError } from '../../../src/provider/wechat/call-error.js';
import { Call, CallReport, WechatClient } from '../../../src/provider/wechat/client.js';
import { KeyRing } from '../../../src/provider/wechat/key-ring.js';
import { Transport } from '../../../src/provider/wechat/transport.js';
import {
  answer,
  merchantPair,
  NOW,
  otherPair,
  PUBLIC_KEY_ID,
  Received,
  settingsOf,
  signatureHeaders,
  StandIn,
  standIn,
  vectors,
} from './support.js';

const clock = new ManualClock(NOW);
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

type Answering = (request: Received, response: ServerResponse, count: number) => void;

interface Setting {
  server: StandIn;
  client: WechatClient;
  reports: CallReport[];
}

async function clientOf(answering: Answering, changes: Parameters<typeof settingsOf>[0] = {}): Promise<Setting> {
  const server = await standIn(answering);
  const settings = settingsOf({ baseUrl: server.url, ...changes });
  const transport = new Transport(settings);
  const reports: CallReport[] = [];
  const client = new WechatClient(settings, new KeyRing(settings, clock), transport, clock, {
    retryPauseMs: 1,
    onCall: (report) => reports.push(report),
  });
  open.push(transport, server);
  return { server, client, reports };
}

const CALL: Call = {
  operation: 'prepay',
  method: 'POST',
  target: '/v3/pay/transactions/jsapi',
  body: { description: '乌龙茶 "100 g"', amount: { total: 1 } },
};

async function failureOf(client: WechatClient, call: Call = CALL): Promise<WechatCallError> {
  return client.call(call).then(
    () => {
      throw new Error('it went well');
    },
    (error: WechatCallError) => error,
  );
}

describe('what is sent', () => {
  it('is signed over exactly the bytes and the target on the wire, and names the key wanted', async () => {
    const { server, client } = await clientOf((_request, response) => answer(response, 200, { prepay_id: 'wx1' }));
    const target = '/v3/resource?first=this+is+a+field&second=was+it+clear+%28already%29%3F&third=a%7Cb';
    expect(await client.call({ ...CALL, target })).toEqual({ json: { prepay_id: 'wx1' } });

    const [request] = server.received;
    expect(request?.url).toBe(target);
    const fields: Record<string, string> = {};
    for (const [, name, value] of (request?.headers.authorization ?? '').matchAll(/(\w+)="([^"]*)"/g)) {
      fields[name ?? ''] = value ?? '';
    }
    const message = `POST\n${target}\n${fields.timestamp}\n${fields.nonce_str}\n${request?.body}\n`;
    const fits = verify(
      'sha256',
      Buffer.from(message),
      createPublicKey(merchantPair.publicPem),
      Buffer.from(fields.signature ?? '', 'base64'),
    );
    expect(fits).toBe(true);
    expect(request?.headers).toMatchObject({
      'wechatpay-serial': PUBLIC_KEY_ID,
      accept: 'application/json',
      'content-type': 'application/json',
      'user-agent': expect.stringContaining('paydesk') as unknown,
    });
    expect(fields.timestamp).toBe(String(NOW.getTime() / 1000));
  });

  it('is the target of the SDK vector, percent-encoding untouched', async () => {
    const layout = vectors<{ request_uri_with_encoded_query: string }>('http-layout.json');
    const { server, client } = await clientOf((_request, response) => answer(response, 200, { hello: 'client' }));
    await client.call({ operation: 'x', method: 'GET', target: layout.request_uri_with_encoded_query });
    expect(server.received[0]?.url).toBe(layout.request_uri_with_encoded_query);
    expect(server.received[0]?.body).toBe('');
    expect(server.received[0]?.headers['content-type']).toBeUndefined();
  });

  it('is the same body at every try, under a fresh nonce', async () => {
    const { server, client } = await clientOf((_request, response, count) =>
      count < 3
        ? answer(response, 500, { code: 'SYSTEM_ERROR', message: 'busy' })
        : answer(response, 200, { ok: true }),
    );
    await client.call(CALL);
    expect(new Set(server.received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(server.received.map(({ headers }) => headers.authorization)).size).toBe(3);
  });
});

type Row = [name: string, Answering, outcome: string, code: string, tries: number];

/** Signs other bytes than it sends. */
function signedWrongly(response: ServerResponse, headers: Record<string, string | string[]>): void {
  response.writeHead(200, headers);
  response.end('{"prepay_id":"wx1"}');
}

const refusing =
  (status: number, code: string | null, requestId?: string): Answering =>
  (_request, response) => {
    response.writeHead(status, requestId ? { 'request-id': requestId } : {});
    response.end(code === null ? '' : JSON.stringify({ code, message: 'text for people' }));
  };
const good = Buffer.from('{"prepay_id":"wx1"}');

describe('what an answer is worth', () => {
  const rows: Row[] = [
    ['400 PARAM_ERROR', refusing(400, 'PARAM_ERROR'), 'rejected', 'PARAM_ERROR', 1],
    ['401 SIGN_ERROR', refusing(401, 'SIGN_ERROR'), 'rejected', 'SIGN_ERROR', 1],
    ['403 NOT_ENOUGH', refusing(403, 'NOT_ENOUGH'), 'rejected', 'NOT_ENOUGH', 1],
    ['403 in the old spelling', refusing(403, 'NOTENOUGH'), 'rejected', 'NOT_ENOUGH', 1],
    ['403 OUT_TRADE_NO_USED', refusing(403, 'OUT_TRADE_NO_USED'), 'rejected', 'OUT_TRADE_NO_USED', 1],
    ['404 ORDERNOTEXIST', refusing(404, 'ORDERNOTEXIST'), 'rejected', 'ORDER_NOT_EXIST', 1],
    ['400 ORDER_PAID', refusing(400, 'ORDER_PAID'), 'rejected', 'ORDERPAID', 1],
    ['INVALID_REQUEST that means paid', refusing(400, 'INVALID_REQUEST', '08F5-268449538'), 'rejected', 'ORDERPAID', 1],
    [
      'INVALID_REQUEST that means paid too',
      refusing(403, 'INVALID_REQUEST', '08F5-268498689'),
      'rejected',
      'ORDERPAID',
      1,
    ],
    [
      'INVALID_REQUEST that means dead',
      refusing(400, 'INVALID_REQUEST', '08F5-268447914'),
      'rejected',
      'ORDER_CLOSED',
      1,
    ],
    [
      'INVALID_REQUEST that means changed',
      refusing(400, 'INVALID_REQUEST', '08F5-268498688'),
      'rejected',
      'OUT_TRADE_NO_USED',
      1,
    ],
    [
      'INVALID_REQUEST that means nothing more',
      refusing(400, 'INVALID_REQUEST', '08F5-268435461'),
      'rejected',
      'INVALID_REQUEST',
      1,
    ],
    ['404 without a body', refusing(404, null), 'unknown', 'http_404', 1],
    ['405 without a body', refusing(405, null), 'unknown', 'http_405', 1],
    ['403 of a proxy', (_q, response) => response.writeHead(403).end('<html>no</html>'), 'unknown', 'http_403', 1],
    ['429 FREQUENCY_LIMITED', refusing(429, 'FREQUENCY_LIMITED'), 'unknown', 'FREQUENCY_LIMITED', 1],
    ['429 RATELIMIT_EXCEEDED', refusing(429, 'RATELIMIT_EXCEEDED'), 'unknown', 'FREQUENCY_LIMITED', 1],
    ['429 FREQUENCY_LIMIT', refusing(429, 'FREQUENCY_LIMIT'), 'unknown', 'FREQUENCY_LIMITED', 1],
    ['429 FREQUENCY_LIMIT_EXCEED', refusing(429, 'FREQUENCY_LIMIT_EXCEED'), 'unknown', 'FREQUENCY_LIMITED', 1],
    ['429 without a body', refusing(429, null), 'unknown', 'FREQUENCY_LIMITED', 1],
    ['a rate limit under 403', refusing(403, 'FREQUENCY_LIMITED'), 'unknown', 'FREQUENCY_LIMITED', 1],
    ['202', refusing(202, null), 'unknown', 'http_202', 3],
    [
      '302',
      (_q, response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(),
      'unknown',
      'http_302',
      3,
    ],
    ['500 SYSTEM_ERROR', refusing(500, 'SYSTEM_ERROR'), 'unknown', 'SYSTEM_ERROR', 3],
    ['500 BIZ_ERR_NEED_RETRY', refusing(500, 'BIZ_ERR_NEED_RETRY'), 'unknown', 'SYSTEM_ERROR', 3],
    ['502 of a gateway', (_q, response) => response.writeHead(502).end('<html>'), 'unknown', 'http_502', 3],
    ['503 SERVICE_UNAVAILABLE', refusing(503, 'SERVICE_UNAVAILABLE'), 'unknown', 'SERVICE_UNAVAILABLE', 3],
    ['200 without a signature', (_q, response) => signedWrongly(response, {}), 'unknown', 'unverified_answer', 3],
    [
      '200 signed by somebody else',
      (_q, response) => signedWrongly(response, signatureHeaders(good, { key: otherPair.privateKey })),
      'unknown',
      'unverified_answer',
      3,
    ],
    [
      '200 whose body was changed',
      (_q, response) => signedWrongly(response, signatureHeaders(Buffer.from('{}'))),
      'unknown',
      'unverified_answer',
      3,
    ],
    [
      '200 of ten minutes ago',
      (_q, response) => signedWrongly(response, signatureHeaders(good, { at: after(NOW, -600 * SECOND) })),
      'unknown',
      'unverified_answer',
      3,
    ],
    [
      '200 with a serial nobody knows',
      (_q, response) =>
        signedWrongly(response, signatureHeaders(good, { serial: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1' })),
      'unknown',
      'unverified_answer',
      3,
    ],
    [
      '200 with two signatures',
      (_q, response) => signedWrongly(response, { ...signatureHeaders(good), 'wechatpay-signature': ['AAAA', 'BBBB'] }),
      'unknown',
      'unverified_answer',
      3,
    ],
    [
      '200 with a signature probe',
      (_q, response) =>
        signedWrongly(response, { ...signatureHeaders(good), 'wechatpay-signature': 'WECHATPAY/SIGNTEST/AAAA' }),
      'unknown',
      'signature_probe',
      3,
    ],
    [
      '200 that is not JSON',
      (_q, response) => {
        response.writeHead(200, signatureHeaders(Buffer.from('SUCCESS')));
        response.end('SUCCESS');
      },
      'unknown',
      'unreadable_answer',
      3,
    ],
    ['no answer', () => undefined, 'unknown', 'timeout', 2],
    ['a broken connection', (_q, response) => response.destroy(), 'unknown', 'network_failure', 3],
    [
      'an answer that stops half-way',
      (_q, response) => {
        response.writeHead(200, { ...signatureHeaders(good), 'content-length': '100' });
        response.write(good);
        setTimeout(() => response.destroy(), 20);
      },
      'unknown',
      'network_failure',
      3,
    ],
    [
      'an answer that never ends',
      (_q, response) => {
        response.writeHead(200, signatureHeaders(good));
        response.write('{');
      },
      'unknown',
      'timeout',
      2,
    ],
    [
      'an answer without measure',
      (_q, response) => {
        response.writeHead(200, signatureHeaders(good));
        response.end(Buffer.alloc(5 * 1024 * 1024));
      },
      'unknown',
      'answer_too_large',
      3,
    ],
  ];

  it.each(rows)('%s', async (_name, answering, outcome, code, tries) => {
    // Only where the time runs out on purpose may it run out soon.
    const timeouts = { connectMs: 200, answerMs: code === 'timeout' ? 200 : 5_000 };
    const { server, client, reports } = await clientOf(answering, { timeouts });
    const failure = await failureOf(client);
    expect([failure.outcome, failure.code]).toEqual([outcome, code]);
    expect(server.received).toHaveLength(tries);
    expect(reports.map((report) => report.code)).toEqual(Array<string>(tries).fill(code));
  });

  it('a signature probe is not repeated by WeChat, so the next try succeeds', async () => {
    const { client } = await clientOf((_request, response, count) =>
      count === 1
        ? signedWrongly(response, { ...signatureHeaders(good), 'wechatpay-signature': 'WECHATPAY/SIGNTEST/AAAA' })
        : answer(response, 200, { prepay_id: 'wx2' }),
    );
    expect(await client.call(CALL)).toEqual({ json: { prepay_id: 'wx2' } });
  });

  it('204 is a success without a body, signed all the same', async () => {
    const signed = await clientOf((_request, response) => answer(response, 204));
    expect(await signed.client.call(CALL)).toEqual({ json: {} });
    const unsigned = await clientOf((_request, response) => response.writeHead(204).end());
    expect((await failureOf(unsigned.client)).code).toBe('unverified_answer');
  });

  it('a refusal at the door after a try without an end is still without an end', async () => {
    const { client } = await clientOf((_request, response, count) =>
      answer(response, count === 1 ? 500 : 401, { code: count === 1 ? 'SYSTEM_ERROR' : 'SIGN_ERROR' }),
    );
    expect(await failureOf(client)).toMatchObject({ outcome: 'unknown', code: 'SIGN_ERROR', afterUnknown: true });
  });

  it('a limit that was hit is waited out where the call allows it', async () => {
    const { client } = await clientOf((_request, response, count) =>
      count === 1 ? answer(response, 429, { code: 'FREQUENCY_LIMITED' }) : answer(response, 200, { ok: 1 }),
    );
    expect(await client.call({ ...CALL, retryLimited: true })).toEqual({ json: { ok: 1 } });
  });
});

describe('what is told of a failure', () => {
  it('names the Request-ID, and nothing that WeChat quotes of the request', async () => {
    const { client } = await clientOf((_request, response) => {
      response.writeHead(400, { 'request-id': '08B7A1F90610-268435461' });
      response.end(
        JSON.stringify({ code: 'PARAM_ERROR', message: 'openid oUpF8uMuAJO_M2pxb1Q9zNjWeS6o\u0007\n不合法' }),
      );
    });
    const failure = await failureOf(client);
    expect(failure.requestId).toBe('08B7A1F90610-268435461');
    expect(failure.message).toBe('prepay: 400 PARAM_ERROR (Request-ID 08B7A1F90610-268435461): openid …  不合法');
  });

  it('reports the clock of WeChat and the time each try took', async () => {
    const { client, reports } = await clientOf((_request, response) => {
      const body = Buffer.from('{}');
      response.writeHead(200, { ...signatureHeaders(body), date: after(NOW, 90 * SECOND).toUTCString() });
      response.end(body);
    });
    await client.call(CALL);
    expect(reports).toEqual([
      {
        operation: 'prepay',
        outcome: 'ok',
        code: null,
        milliseconds: expect.any(Number) as unknown,
        clockSkewMs: 90_500,
      },
    ]);
  });
});

describe('when the network fails', () => {
  it('goes to the backup host, stays there for a minute, and comes back', async () => {
    const here = new ManualClock(NOW);
    const backup = await standIn((_request, response) => answer(response, 200, { from: 'backup' }));
    const main = await standIn((_request, response, count) =>
      count === 1 ? response.destroy() : answer(response, 200, { from: 'main' }, { at: here.now() }),
    );
    const settings = settingsOf({ baseUrl: main.url, backupBaseUrl: backup.url });
    const transport = new Transport(settings);
    open.push(transport, backup, main);
    const client = new WechatClient(settings, new KeyRing(settings, here), transport, here, { retryPauseMs: 1 });

    expect(await client.call(CALL)).toEqual({ json: { from: 'backup' } });
    expect(await client.call(CALL)).toEqual({ json: { from: 'backup' } });
    here.advance(61 * SECOND);
    expect(await client.call(CALL)).toEqual({ json: { from: 'main' } });
  });

  it('stays on the host that answered, even if it answered 500', async () => {
    const backup = await standIn((_request, response) => answer(response, 200, { from: 'backup' }));
    open.push(backup);
    const { client } = await clientOf((_request, response) => answer(response, 500, { code: 'SYSTEM_ERROR' }), {
      backupBaseUrl: backup.url,
    });
    expect((await failureOf(client)).code).toBe('SYSTEM_ERROR');
    expect(backup.received).toHaveLength(0);
  });
});

describe('many calls at once', () => {
  it('keeps to the limit, lets the rest wait in order, and turns away what is too much', async () => {
    let underWay = 0;
    let most = 0;
    const { client } = await clientOf(
      (_request, response) => {
        most = Math.max(most, (underWay += 1));
        setTimeout(() => {
          underWay -= 1;
          answer(response, 200, {});
        }, 100);
      },
      { maxConcurrency: 2, timeouts: { connectMs: 500, answerMs: 5_000 } },
    );
    const calls = await Promise.allSettled(Array.from({ length: 40 }, () => client.call(CALL)));
    expect(most).toBe(2);
    const turnedAway = calls
      .filter((call) => call.status === 'rejected')
      .map(({ reason }) => (reason as WechatCallError).code);
    expect(turnedAway).toEqual(Array<string>(40 - 2 - 32).fill('overloaded'));
  });
});
