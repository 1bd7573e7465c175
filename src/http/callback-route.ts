/** Where the channel calls back. Bodies under these paths are kept as raw bytes: the signature is over them. */
const CALLBACK = /^\/api\/(payments|refunds)\/callback\/(wechat|mock)\/?(\?|$)/;

export function isCallback(url: string): boolean {
  return CALLBACK.test(url);
}

export const SUCCESS_BODY = JSON.stringify({ code: 'SUCCESS', message: '成功' });

/** The body that, with a 4xx or 5xx status, makes WeChat Pay send the notice again. */
export function fail(message: string): string {
  return JSON.stringify({ code: 'FAIL', message });
}
