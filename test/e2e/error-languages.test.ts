import { connect } from 'node:net';
import { USER_MESSAGES } from '../../src/common/user-messages.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { buy, type Problem, raw } from '../support/flows.js';

type Told = Problem & { user_message: string };

describe('what a refusal says to people', () => {
  let paydesk: TestApp;

  beforeAll(async () => {
    paydesk = await startTestApp();
  });
  afterAll(() => paydesk.close());

  const ask = (language?: string, path = '/api/orders/') =>
    raw(paydesk.url, 'GET', path, language === undefined ? [] : [['accept-language', language]]);

  it.each([
    [undefined, 'zh', 'zh-CN'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh', 'zh-CN'],
    ['en-US,en;q=0.9', 'en', 'en'],
    ['fr', 'en', 'en'],
  ] as const)('asked for in %p it is in %s', async (header, language, contentLanguage) => {
    const { status, headers, text } = await ask(header);
    const problem = JSON.parse(text) as Told;
    expect(status).toBe(401);
    expect(problem.user_message).toBe(USER_MESSAGES.unauthenticated[language]);
    // For developers, so in one language.
    expect(problem).toMatchObject({ code: 'unauthenticated', title: 'A valid bearer token is required' });
    expect(headers['content-language']).toBe(contentLanguage);
    expect(headers.vary).toContain('Accept-Language');
  });

  it('speaks so also where there is no route, and where the path cannot be decoded', async () => {
    for (const path of ['/api/nothing/', '/api/orders/%E0%A4%A/']) {
      const { headers, text } = await ask('en', path);
      const { user_message, code } = JSON.parse(text) as Told;
      expect(user_message).toBe(USER_MESSAGES[code as 'not_found'].en);
      expect(headers['content-language']).toBe('en');
    }
  });

  it('says in Chinese what is wrong with bytes that are no HTTP', async () => {
    const { port } = new URL(paydesk.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('no HTTP at all\r\n\r\n'));
      let text = '';
      socket
        .on('data', (bytes) => (text += bytes.toString('utf8')))
        .on('end', () => resolve(text))
        .on('error', reject);
    });
    expect(answer).toContain('content-language: zh-CN');
    expect(answer).toContain(USER_MESSAGES.invalid_request.zh);
  });

  it("tells of somebody else's order, in either language, what it tells of none", async () => {
    const { orderId } = await buy(paydesk);
    const stranger = await paydesk.login('stranger');
    const tell = async (id: string, language: string): Promise<unknown> => {
      const headers: [string, string][] = [
        ['authorization', `Bearer ${stranger.token}`],
        ['accept-language', language],
        ['x-request-id', 'the-same-request'],
      ];
      const { status, headers: said, text } = await raw(paydesk.url, 'GET', `/api/orders/${id}/`, headers);
      return { status, text, headers: Object.entries(said).filter(([name]) => name !== 'date') };
    };
    for (const language of ['zh', 'en']) {
      const other = await tell(orderId, language);
      expect(other).toMatchObject({ status: 404 });
      expect(await tell('ord_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', language)).toEqual(other);
    }
  });

  it("leaves WeChat Pay's own form of refusing as it is", async () => {
    const { text, headers } = await raw(
      paydesk.url,
      'POST',
      '/api/payments/callback/mock/',
      [['accept-language', 'en']],
      '{}',
    );
    expect(Object.keys(JSON.parse(text) as object)).toEqual(['code', 'message']);
    expect([headers['content-language'], headers.vary]).toEqual([undefined, undefined]);
  });
});
