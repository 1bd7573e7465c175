/** The answer to a callback that need not be sent again. */
export const ACKNOWLEDGED = { code: 'SUCCESS', message: '成功' };
const ACKNOWLEDGEMENT = JSON.stringify(ACKNOWLEDGED);

export function acknowledgement(): string {
  return ACKNOWLEDGEMENT;
}

/** The body that, with a 4xx or 5xx status, makes WeChat Pay send the callback again. */
export function rejection(reason: string): string {
  return JSON.stringify({ code: 'FAIL', message: reason });
}
