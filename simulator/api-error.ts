/** HTTP status of every code the simulator answers (manual, page 4012081709 and the pages of the calls). */
const STATUS = {
  PARAM_ERROR: 400,
  INVALID_REQUEST: 400,
  APPID_MCHID_NOT_MATCH: 400,
  MCH_NOT_EXISTS: 400,
  ORDER_CLOSED: 400,
  ORDERPAID: 400,
  ORDER_PAID: 400,
  NO_STATEMENT_EXIST: 400,
  STATEMENT_CREATING: 400,
  SIGN_ERROR: 401,
  NO_AUTH: 403,
  RULE_LIMIT: 403,
  NOT_ENOUGH: 403,
  OUT_TRADE_NO_USED: 403,
  ORDER_NOT_EXIST: 404,
  RESOURCE_NOT_EXISTS: 404,
  FREQUENCY_LIMITED: 429,
  SYSTEM_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof STATUS;

/** Part after the last `-` of `Request-ID`, where the tables of the manual name one. */
export const NUMBERS = {
  signature: 268443699,
  clock: 270924333,
  authorization: 270924332,
  serial: 269546507,
  illegalParameter: 268435461,
  tooShort: 268435463,
  outOfRange: 268435464,
  unknownField: 270924358,
  rate: 268447840,
  orderUnknown: 268512771,
  orderPaid: 268449538,
  orderDead: 268447914,
  orderReentry: 268498688,
  appidMchid: 268445527,
  openid: 268501013,
  refundUnknown: 268875782,
  refundedFully: 268892177,
  refundOrderUnknown: 268892180,
  refundTooMuch: 268449311,
  refundTooOld: 268892184,
  refundAmounts: 268892183,
  refundOtherOrder: 268892182,
  refundBalance: 268892709,
  refundPace: 268448746,
  refundState: 268892195,
  billNone: 270522881,
  billCreating: 270522882,
  billDate: 270522884,
  billTooOld: 270522880,
  billRate: 268435472,
} as const;

/** A refusal as WeChat Pay words it: envelope and status, and the number that ends the `Request-ID`. */
export class ApiError extends Error {
  readonly status: number;

  constructor(
    readonly code: string,
    message: string,
    readonly number: number = 0,
    readonly detail?: object,
    status?: number,
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status ?? (code in STATUS ? STATUS[code as ErrorCode] : 500);
  }

  envelope(): object {
    const { code, message, detail } = this;
    return detail === undefined ? { code, message } : { code, message, detail };
  }
}

/** A refusal with one of the known codes. */
export function refuse(code: ErrorCode, message: string, number?: number): ApiError {
  return new ApiError(code, message, number);
}

/** Where a field of a request stands, as `detail.location` names it; `uri_template` is the path. */
export type Location = 'body' | 'query' | 'uri_template' | 'header';

/** PARAM_ERROR with the `detail` that says which field, where and why. */
export function badField(
  location: Location,
  field: string,
  value: unknown,
  issue: string,
  number: number = NUMBERS.illegalParameter,
): ApiError {
  const shown = typeof value === 'object' || value === undefined ? '' : value;
  return new ApiError('PARAM_ERROR', `参数错误: ${issue}`, number, { field, value: shown, issue, location });
}
