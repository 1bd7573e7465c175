import { ServerResponse } from 'node:http';
import { DomainError } from '../../../src/common/errors.js';
import { WechatSettings } from '../../../src/provider/wechat/settings.js';
import { WechatLogin } from '../../../src/provider/wechat/wechat-login.js';
import { settingsOf, StandIn, standIn } from './support.js';

const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';
const SAYS_NOTHING = 'WeChat Pay did not answer; try again';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function loginOf(changes: Partial<WechatSettings>): WechatLogin {
  const login = new WechatLogin(settingsOf(changes));
  open.unshift(login);
  return login;
}

/** WeChat's mini-program server, saying this, and a login that asks it. */
async function wechatThat(
  says: (response: ServerResponse) => void,
  timeouts = settingsOf().timeouts,
): Promise<{ login: WechatLogin; server: StandIn }> {
  const server = await standIn((_request, response) => says(response));
  open.push(server);
  return { login: loginOf({ apiBaseUrl: server.url, timeouts }), server };
}

const saying =
  (body: object | string, status = 200) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

/** The refusal as it is seen from outside; fails when it is no `DomainError`, or when it drags its cause along. */
async function refusalOf(login: WechatLogin, code = 'good-code'): Promise<{ code: string; message: string }> {
  const error: unknown = await login.openidOf(code).catch((thrown: unknown) => thrown);
  if (!(error instanceof DomainError)) throw new Error('not refused as a DomainError', { cause: error });
  expect(error.cause).toBeUndefined();
  expect(error.message).not.toContain(settingsOf().appSecret);
  return { code: error.code, message: error.message };
}

describe('a login code', () => {
  it.each([{}, { errcode: 0, errmsg: 'ok' }])('is traded for the openid alone when WeChat adds %j', async (more) => {
    const { login } = await wechatThat(saying({ openid: OPENID, session_key: 'c2Vzc2lvbg==', unionid: 'u', ...more }));
    expect(await login.openidOf('good-code')).toBe(OPENID);
  });

  it('goes to WeChat once, with the appid and the secret, as the manual says', async () => {
    const { login, server } = await wechatThat(saying({ openid: OPENID }));
    await login.openidOf('a+b&c=d');
    expect(server.received).toHaveLength(1);
    const [asked] = server.received;
    const url = new URL(asked?.url ?? '', server.url);
    expect({ method: asked?.method, path: url.pathname, query: Object.fromEntries(url.searchParams) }).toEqual({
      method: 'GET',
      path: '/sns/jscode2session',
      query: {
        appid: settingsOf().appid,
        secret: settingsOf().appSecret,
        js_code: 'a+b&c=d',
        grant_type: 'authorization_code',
      },
    });
    expect(asked?.headers.accept).toBe('application/json');
  });

  it.each([
    ['the first visible character', '!'],
    ['the last visible character', '~'],
    ['256 characters', 'x'.repeat(256)],
  ])('may be %s', async (_name, code) => {
    const { login } = await wechatThat(saying({ openid: OPENID }));
    expect(await login.openidOf(code)).toBe(OPENID);
  });

  it.each([
    ['is empty', ''],
    ['begins with a blank', ' code'],
    ['ends with a blank', 'code '],
    ['has a blank inside', 'co de'],
    ['ends with a line break', 'code\n'],
    ['is not ASCII', 'cödé'],
    ['has 257 characters', 'x'.repeat(257)],
  ])('that %s is refused without asking anybody', async (_name, code) => {
    const { login, server } = await wechatThat(saying({ openid: OPENID }));
    expect(await refusalOf(login, code)).toMatchObject({ code: 'login_failed' });
    expect(server.received).toHaveLength(0);
  });

  it.each([
    [40029, 'login_failed', 'WeChat did not accept the login code'],
    [40163, 'login_failed', 'WeChat did not accept the login code'],
    [41008, 'login_failed', 'WeChat did not accept the login code'],
    [40226, 'login_failed', 'WeChat has blocked this user'],
    [45009, 'too_many_requests', 'WeChat: too many logins of this user'],
    [45011, 'too_many_requests', 'WeChat: too many logins of this user'],
    [-1, 'channel_unavailable', 'WeChat is busy'],
    [1, 'channel_rejected', 'WeChat rejected the login (errcode 1): check the settings of the mini-program'],
    [40125, 'channel_rejected', 'WeChat rejected the login (errcode 40125): check the settings of the mini-program'],
  ])('that WeChat answers with errcode %d is %s: %s', async (errcode, code, message) => {
    const { login, server } = await wechatThat(saying({ errcode, errmsg: 'invalid, rid: 1' }));
    expect(await refusalOf(login)).toEqual({ code, message });
    expect(await login.ask('good-code')).toEqual({ errcode });
    expect(server.received).toHaveLength(2);
  });
});

describe('an answer to a login', () => {
  const nested = (depth: number): string => `{"openid":"${OPENID}","x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const sized = (bytes: number): string => `{"openid":"${OPENID}"}`.padEnd(bytes);

  it.each([
    ['of 16 KiB', sized(16 * 1024)],
    ['eight levels deep', nested(7)],
  ])('%s is read', async (_name, body) => {
    const { login } = await wechatThat(saying(body));
    expect(await login.openidOf('good-code')).toBe(OPENID);
  });

  it.each<[string, string | object, number, string]>([
    ['larger than 16 KiB', sized(16 * 1024 + 1), 200, 'WeChat login: answer_too_large'],
    ['nested deeper than eight levels', nested(8), 200, 'WeChat login: network_failure'],
    ['that is not JSON', '<html>', 200, 'WeChat login: network_failure'],
    ['without an openid', { session_key: 'x' }, 200, 'WeChat login: network_failure'],
    ['with a broken openid', { openid: 'o\n' }, 200, 'WeChat login: network_failure'],
    ['with an overlong openid', { openid: 'o'.repeat(129) }, 200, 'WeChat login: network_failure'],
    ['of another status', { openid: OPENID }, 502, SAYS_NOTHING],
    ['of a refusal with another status', { errcode: 40029 }, 500, SAYS_NOTHING],
    ['of a success that is no 200', { openid: OPENID }, 201, SAYS_NOTHING],
  ])('%s is none', async (_name, body, status, message) => {
    const { login } = await wechatThat(saying(body, status));
    expect(await refusalOf(login)).toEqual({ code: 'channel_unavailable', message });
  });

  it('that breaks off is none', async () => {
    const { login } = await wechatThat((response) => response.destroy());
    expect(await refusalOf(login)).toEqual({
      code: 'channel_unavailable',
      message: 'WeChat login: network_failure',
    });
  });

  const drip = (response: ServerResponse): void => {
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  };
  it.each<[string, (response: ServerResponse) => void]>([
    ['does not begin', () => undefined],
    ['stands still', (response) => response.write('{')],
    ['comes drop by drop', drip],
  ])('that %s is not waited for any longer than said', async (_name, says) => {
    const { login } = await wechatThat(says, { connectMs: 80, answerMs: 80 });
    expect(await refusalOf(login)).toEqual({ code: 'channel_unavailable', message: 'WeChat login: timeout' });
  });

  it('is asked for by 32 logins at once, and by the others when one of them is done', async () => {
    const waiting: ServerResponse[] = [];
    let full: () => void = () => undefined;
    const taken = new Promise<void>((resolve) => (full = resolve));
    const { login, server } = await wechatThat((response) => {
      if (waiting.push(response) === 32) full();
      if (server.received.length > 32) saying({ openid: OPENID })(response);
    });
    const logins = Promise.all(Array.from({ length: 40 }, (_, n) => login.openidOf(`code-${n}`)));
    await taken;
    await new Promise((resolve) => setTimeout(resolve, 50)); // for a 33rd, which must not come
    expect(server.received).toHaveLength(32);
    for (const response of waiting) saying({ openid: OPENID })(response);
    expect(await logins).toHaveLength(40);
    expect(server.received).toHaveLength(40);
  });

  it('is not asked for any more once the login is closed', async () => {
    const { login, server } = await wechatThat(saying({ openid: OPENID }));
    await login.openidOf('good-code');
    await login.close();
    open.shift();
    expect(await refusalOf(login)).toMatchObject({ code: 'channel_unavailable' });
    expect(server.received).toHaveLength(1);
  });
});
