import { refusal, single, WechatCallError } from '../../../src/provider/wechat/call-error.js';

const envelope = (code: unknown, message: unknown = 'in the words of WeChat'): Buffer =>
  Buffer.from(JSON.stringify({ code, message }));

function refused(status: number, body: Buffer, requestId?: string | string[]): WechatCallError {
  return refusal('prepay', status, { 'request-id': requestId }, body);
}

const sorted = ({ outcome, code }: WechatCallError): string => `${outcome} ${code}`;

describe('an answer that is not a success', () => {
  it.each<[number, string]>([
    [400, 'rejected PARAM_ERROR'],
    [499, 'rejected PARAM_ERROR'],
    [399, 'unknown PARAM_ERROR'],
    [202, 'unknown PARAM_ERROR'],
    [500, 'unknown PARAM_ERROR'],
    [429, 'unknown FREQUENCY_LIMITED'],
  ])('of status %i with an error text of WeChat is %s', (status, expected) => {
    expect(sorted(refused(status, envelope('PARAM_ERROR')))).toBe(expected);
  });

  it.each<[number, string, string]>([
    [404, '', 'unknown http_404'],
    [405, '', 'unknown http_405'],
    [403, '', 'unknown http_403'],
    [404, '<html>', 'unknown http_404'],
    [400, '{}', 'unknown http_400'],
    [400, '{"code":""}', 'unknown http_400'],
    [400, '[]', 'unknown http_400'],
    [404, '{"code":"NOT_FOUND","message":"no route"}', 'unknown NOT_FOUND'],
    [403, '{"code":"FORBIDDEN","message":"denied by policy"}', 'unknown FORBIDDEN'],
    [401, '{"code":"Unauthorized","message":"no key"}', 'unknown Unauthorized'],
    [404, '{"code":404,"message":"Not Found"}', 'unknown http_404'],
    [404, '{"code":"404","message":"Not Found"}', 'unknown 404'],
    [404, '{"error_msg":"404 Route Not Found"}', 'unknown http_404'],
  ])('of status %i with the body %j is %s: only WeChat refuses for sure', (status, body, expected) => {
    expect(sorted(refused(status, Buffer.from(body)))).toBe(expected);
  });

  it.each(['SYSTEMERROR', 'BIZERR_NEED_RETRY', 'FREQUENCY_LIMIT', 'RATELIMIT_EXCEEDED'])(
    'that says %s is not a refusal, whatever its status',
    (code) => {
      expect(refused(400, envelope(code)).outcome).toBe('unknown');
    },
  );

  it('has one name for one fact, by the code or by the number of its Request-ID', () => {
    expect(refused(400, envelope('ORDER_PAID')).code).toBe('ORDERPAID');
    expect(refused(403, envelope('NOTENOUGH')).code).toBe('NOT_ENOUGH');
    const exact = refused(400, envelope('INVALID_REQUEST'), '08F-268447914');
    expect(sorted(exact)).toBe('rejected ORDER_CLOSED');
    expect(refused(400, envelope('INVALID_REQUEST'), '08F-268447914-0').code).toBe('INVALID_REQUEST');
    expect(refused(400, envelope('INVALID_REQUEST'), '08F-12345').code).toBe('INVALID_REQUEST');
    expect(refused(400, envelope('INVALID_REQUEST'), '08F-999999').code).toBe('INVALID_REQUEST');
  });

  it('that does not know the platform key we named is no refusal of the order', () => {
    const failure = refused(400, envelope('PARAM_ERROR'), '08F-269546507');
    expect(sorted(failure)).toBe('unknown PLATFORM_SERIAL_REFUSED');
    expect(refused(401, envelope('SIGN_ERROR'), '08F-269546507').code).toBe('SIGN_ERROR');
  });

  it('is told with status, code, Request-ID and WeChat’s words', () => {
    const failure = refused(403, envelope('NO_AUTH'), '08F-1');
    expect(failure).toMatchObject({
      name: 'WechatCallError',
      message: 'prepay: 403 NO_AUTH (Request-ID 08F-1): in the words of WeChat',
      httpStatus: 403,
      requestId: '08F-1',
      afterUnknown: false,
      words: 'in the words of WeChat',
    });
    expect(refused(403, envelope('NO_AUTH', ''))).toMatchObject({ message: 'prepay: 403 NO_AUTH', words: null });
  });

  it('is told without what WeChat quotes of the request, and not at length', () => {
    const told = (message: string): string => {
      const { message: line, words } = refused(400, envelope('PARAM_ERROR', message));
      expect(line).toBe(`prepay: 400 PARAM_ERROR: ${words}`);
      return words ?? '';
    };
    expect(told('openid oUpF8uMuAJO_M2pxb1Q9zNjWeS6o!')).toBe('openid …!');
    expect(told('a\nb\u0000c')).toBe('a b c');
    expect(told('123456789012345 is short')).toBe('123456789012345 is short');
    expect(told('1234567890123456 is not')).toBe('… is not');
    expect(told('错 '.repeat(200))).toBe('错 '.repeat(80));
  });

  it('is not read when it is larger than any error text', () => {
    const large = envelope('PARAM_ERROR', 'x'.repeat(10_001));
    expect(sorted(refused(400, large))).toBe('unknown http_400');
    const padded = Buffer.concat([envelope('PARAM_ERROR'), Buffer.alloc(64 * 1024, ' ')]);
    expect(sorted(refused(400, padded))).toBe('unknown http_400');
  });
});

describe('a failure after a try without a sure end', () => {
  const failure = (httpStatus: number): WechatCallError =>
    new WechatCallError('rejected', 'SOME', 'said', httpStatus, 'req', false, 'words');

  it.each([401, 405])('says nothing of that try when it is turned away with %i', (status) => {
    expect(failure(status).afterUnknownAttempt()).toMatchObject({ outcome: 'unknown', afterUnknown: true });
  });

  it('stays what it is otherwise, and is marked', () => {
    expect(failure(403).afterUnknownAttempt()).toMatchObject({
      outcome: 'rejected',
      code: 'SOME',
      message: 'said',
      httpStatus: 403,
      requestId: 'req',
      afterUnknown: true,
      words: 'words',
    });
  });
});

describe('a header', () => {
  it('counts when it came once, has a value and is of bounded length', () => {
    expect(single('x')).toBe('x');
    expect(single('x'.repeat(4096))).toHaveLength(4096);
    for (const value of [undefined, '', ['x'], 'x'.repeat(4097)]) expect(single(value)).toBeNull();
  });
});

describe('what follows from a failed call', () => {
  const of = (outcome: 'rejected' | 'unknown', code: string): string => new WechatCallError(outcome, code, 'said').then;

  it.each([
    ...['ORDERPAID', 'OUT_TRADE_NO_USED', 'ORDER_CLOSED'].map((code) => [code, 'query']),
    ...['NOT_ENOUGH', 'SIGN_ERROR', 'NO_AUTH', 'REQUEST_BLOCKED', 'APPID_MCHID_NOT_MATCH'].map((code) => [
      code,
      'fixable',
    ]),
    ...['MCH_NOT_EXISTS', 'RESOURCE_NOT_EXISTS', 'REFUND_FEE_MISMATCH'].map((code) => [code, 'fixable']),
    ...['PARAM_ERROR', 'USER_ACCOUNT_ABNORMAL', 'TRADE_OVERDUE', 'INVALID_REQUEST'].map((code) => [code, 'final']),
  ])('is of %s: %s', (code = '', then) => {
    expect(of('rejected', code)).toBe(then);
  });

  it('is nothing while it is not known whether it was done, but for another amount under our refund number', () => {
    expect([of('unknown', 'NOT_ENOUGH'), of('unknown', 'ORDERPAID')]).toEqual(['final', 'final']);
    expect(of('unknown', 'REFUND_FEE_MISMATCH')).toBe('fixable');
  });
});
