import { plainToInstance, Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Matches, Max, Min, MinLength, validateSync } from 'class-validator';
import { FAILPOINTS } from '../common/failpoints.js';
import { withoutQuotes } from './env-file.js';

/** Secrets that stand here for all to read: good for development, refused in production and for real money. */
export const DEVELOPMENT_JWT_SECRET = 'paydesk-development-only-jwt-secret';
export const DEVELOPMENT_MOCK_SECRET = 'paydesk-development-only-mock-secret';

/** Empty text counts as not set, as in `NAME=` of an env file. */
const Unset = (): PropertyDecorator => Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value));

const Whole = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => {
    if (value === '' || value === undefined) return undefined;
    return typeof value === 'string' && /^\d{1,10}$/.test(value.trim()) ? Number(value) : Number.NaN;
  });

/** Every variable that Paydesk reads, under its own name, so that a complaint names what to mend. */
export class Environment {
  @IsOptional() @IsIn(['development', 'test', 'production']) @Unset() NODE_ENV?: string;
  @IsOptional() @IsInt() @Min(0) @Max(65535) @Whole() PORT?: number;
  @IsOptional() @IsString() @Unset() HOST?: string;
  @IsOptional() @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) @Unset() LOG_LEVEL?: string;

  @IsOptional() @IsString() @Unset() DATABASE_URL?: string;
  @IsOptional() @IsInt() @Min(2) @Max(100) @Whole() DATABASE_POOL_SIZE?: number;

  @IsOptional() @IsIn(['session', 'transaction']) @Unset() DATABASE_POOLER?: string;

  @IsOptional() @IsString() @MinLength(32) @Unset() JWT_SECRET?: string;
  @IsOptional() @IsString() @Unset() JWT_PUBLIC_KEY?: string;
  @IsOptional() @IsString() @Unset() JWT_AUDIENCE?: string;
  @IsOptional() @IsInt() @Min(60) @Max(2_592_000) @Whole() JWT_TTL_SECONDS?: number;
  @IsOptional() @IsInt() @Min(60) @Max(31_536_000) @Whole() JWT_MAX_TTL_SECONDS?: number;
  @IsOptional() @IsString() @MinLength(16) @Unset() MOCK_CALLBACK_SECRET?: string;

  @IsOptional() @IsInt() @Min(1) @Max(1_296_000) @Whole() PAYMENT_TTL_SECONDS?: number;
  @IsOptional() @IsIn(['refund', 'hold']) @Unset() LATE_PAYMENT_POLICY?: string;
  @IsOptional() @IsInt() @Min(0) @Max(65535) @Whole() SIM_PORT?: number;
  @IsOptional() @IsIn(['true', 'false']) @Unset() JOBS_ENABLED?: string;
  @IsOptional() @IsIn(FAILPOINTS) @Unset() PAYDESK_CRASH_AT?: string;
  @IsOptional() @IsInt() @Min(0) @Max(10) @Whole() TRUSTED_PROXY_HOPS?: number;
  @IsOptional() @IsString() @Unset() CORS_ORIGINS?: string;
  @IsOptional() @IsInt() @Min(1) @Max(1_000_000) @Whole() LOGINS_PER_MINUTE?: number;
  @IsOptional() @IsInt() @Min(1) @Max(1_000_000) @Whole() BAD_CALLBACKS_PER_MINUTE?: number;
  @IsOptional() @IsInt() @Min(1) @Max(10_000) @Whole() CHANNEL_QUERIES_PER_SECOND?: number;
  @IsOptional() @IsInt() @Min(1) @Max(100_000) @Whole() MAX_REQUESTS_IN_FLIGHT?: number;
  // What a callback waits in holds 2,000: here they are refused for less than there.
  @IsOptional() @IsInt() @Min(1) @Max(2000) @Whole() MAX_CALLBACKS_IN_FLIGHT?: number;
  @IsOptional() @IsInt() @Min(10) @Max(1_000_000) @Whole() MAX_CONNECTIONS?: number;
  @IsOptional() @IsInt() @Min(0) @Max(300) @Whole() SHUTDOWN_DELAY_SECONDS?: number;

  @IsOptional() @IsIn(['true', 'false']) @Unset() WECHAT_PAY_ENABLE_REAL?: string;
  @IsOptional() @IsString() @Unset() WECHAT_APPID?: string;
  @IsOptional() @IsString() @Unset() WECHAT_APP_SECRET?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_MCHID?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_SERIAL_NO?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PRIVATE_KEY?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PRIVATE_KEY_PATH?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_API_V3_KEY?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PUBLIC_KEY?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PUBLIC_KEY_PATH?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PUBLIC_KEY_ID?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PLATFORM_CERT?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_PLATFORM_CERT_PATH?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_MERCHANT_CERT?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_MERCHANT_CERT_PATH?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_NOTIFY_URL?: string;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_REFUND_NOTIFY_URL?: string;
  @IsOptional() @Matches(/^https?:\/\/[^\s?#]+$/) @Unset() WECHAT_PAY_BASE_URL?: string;
  @IsOptional() @Matches(/^https?:\/\/[^\s?#]+$/) @Unset() WECHAT_API_BASE_URL?: string;
  @IsOptional() @IsInt() @Min(100) @Max(60_000) @Whole() WECHAT_PAY_TIMEOUT_MS?: number;
  @IsOptional() @IsString() @Unset() WECHAT_PAY_CALLBACK_ALLOWED_IPS?: string;
}

/** The variables that Paydesk reads, without blanks and quotes around them, numbers as numbers. */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const names = Object.keys(new Environment());
  const given = names.flatMap((name) => (env[name] === undefined ? [] : [[name, withoutQuotes(env[name])] as const]));
  return plainToInstance(Environment, Object.fromEntries(given));
}

/** Of several rules that a value breaks, what it is comes before how large it may be. */
const RANGES = new Set(['min', 'max', 'minLength']);

/** Every variable that breaks a rule, with the one that is to be mended first, a line each and never a value. */
export function environmentProblems(e: Environment): string[] {
  return validateSync(e, { skipMissingProperties: true, validationError: { value: false } }).flatMap((error) => {
    const broken = Object.entries(error.constraints ?? {});
    const [, message] = broken.find(([rule]) => !RANGES.has(rule)) ?? broken[0] ?? [];
    if (message === undefined) return [];
    return message.startsWith(error.property) ? message : `${error.property}: ${message}`;
  });
}
