import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHmac } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { Role } from '../../src/auth/public.js';
import { TokensService } from '../../src/auth/tokens.service.js';
import { ManualClock } from '../../src/common/clock.js';
import { parseSettings, type Settings } from '../../src/config/settings.js';
import { createHttpApp } from '../../src/http-app.js';
import { seedCatalogue } from '../../src/orders/catalogue.js';
import type { PaymentProvider } from '../../src/provider/payment-provider.js';
import { createTestDatabase } from './database.js';

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Api {
  get<T = Record<string, unknown>>(path: string, headers?: Record<string, string>): Promise<Answer<T>>;
  post<T = Record<string, unknown>>(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer<T>>;
}

/** A running service on a database of its own, a clock that stands still, and ways to speak to it over real HTTP. */
export interface TestApp {
  app: NestFastifyApplication;
  db: DataSource;
  databaseUrl: string;
  clock: ManualClock;
  settings: Settings;
  url: string;
  /** Speaks with this token, or with none. */
  api(token?: string): Api;
  /** Logs a new user in. */
  login(code: string): Promise<{ id: string; token: string; api: Api }>;
  /** An API client with a role of its own. */
  as(role: Role, id?: string): Promise<Api>;
  /** A mock callback, signed. */
  callback(body: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

export interface TestAppOptions {
  env?: Record<string, string>;
  clock?: ManualClock;
  /** A channel of its own; left out: the one that the environment names. */
  provider?: PaymentProvider;
  /** Another process on the same database. */
  databaseUrl?: string;
  /** The address by which the service reaches its database; left out: the database's own. */
  through?: (databaseUrl: string) => string;
  /** Where it listens, when somebody had to be told before; left out: any free port. */
  port?: number;
}

/** Starts the service in this process. Timers are off: tests call what the timers call. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.databaseUrl === undefined ? await createTestDatabase() : null;
  const databaseUrl = options.databaseUrl ?? database?.url ?? '';
  const settings = parseSettings({
    NODE_ENV: 'test',
    JOBS_ENABLED: 'false',
    LOGINS_PER_MINUTE: '100000',
    LOG_LEVEL: 'silent',
    ...options.env,
  });
  const clock = options.clock ?? new ManualClock(new Date('2026-11-23T08:00:00.000Z'));
  const { provider, through = (own: string) => own } = options;
  const app = await createHttpApp({ settings, databaseUrl: through(databaseUrl), clock, provider });
  await app.listen(options.port ?? 0, '127.0.0.1');
  const url = await app.getUrl();
  const db = app.get(DataSource);
  await seedCatalogue(db);

  const api = (token?: string): Api => client(url, token);
  return {
    app,
    db,
    databaseUrl,
    clock,
    settings,
    url,
    api,
    async login(code) {
      const { status, body } = await api().post<{ access_token: string; user: { id: string } }>('/auth/login/', {
        code,
      });
      if (status !== 200) throw new Error(`login answered ${status}`);
      return { id: body.user.id, token: body.access_token, api: api(body.access_token) };
    },
    async as(role, id = 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB') {
      const { token } = await app.get(TokensService).issue({ id, role });
      return api(token);
    },
    callback(body, headers = {}) {
      const raw = JSON.stringify(body);
      const signature = createHmac('sha256', settings.mockCallbackSecret).update(raw).digest('hex');
      return send(url, 'POST', '/payments/callback/mock/', raw, { 'x-mock-signature': signature, ...headers });
    },
    async close() {
      await app.close();
      await database?.drop();
    },
  };
}

/** Speaks to the API at this address, with this token or none. */
export function client(url: string, token?: string): Api {
  const bearer: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    get: (path, headers) => send(url, 'GET', path, undefined, { ...bearer, ...headers }),
    post: (path, body, headers) =>
      send(url, 'POST', path, body === undefined ? undefined : JSON.stringify(body), { ...bearer, ...headers }),
  };
}

async function send<T>(
  url: string,
  method: string,
  path: string,
  body: string | undefined,
  headers: Record<string, string>,
): Promise<Answer<T>> {
  const response = await fetch(`${url}/api${path}`, {
    method,
    body,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : null) as T };
}

/** So many answers of the same question, asked at once. */
export function times<T>(count: number, ask: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => ask(index)));
}

export const TEA = 'prd_01JD0000000000000000000TEA';
