import { Logger } from '@nestjs/common';
import { parseSettings } from '../../../src/config/settings.js';
import { ClientAddresses } from '../../../src/http/client-addresses.js';

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://db/shop',
  JWT_SECRET: 'Vq3o9dWmJb0Zt7KcXr5Ls1Yh8Pn2Gf4E',
};

describe('where requests come from', () => {
  const warnings: string[] = [];
  const addresses = (env: NodeJS.ProcessEnv): ClientAddresses =>
    new ClientAddresses(parseSettings({ NODE_ENV: 'test', ...env }));

  beforeEach(() => {
    warnings.length = 0;
    const ignore = (): void => undefined;
    Logger.overrideLogger({ warn: (text: string) => void warnings.push(text), log: ignore, error: ignore });
  });
  afterAll(() => void Logger.overrideLogger(false));

  it('is told in one form, or is unknown', () => {
    const of = (ip: string): string => addresses({}).of({ ip, headers: {} });
    expect(of('::ffff:127.0.0.1')).toBe('127.0.0.1');
    expect(of('1.2.3.4:5678')).toBe('1.2.3.4');
    expect(of('x'.repeat(100))).toBe('unknown');
    expect(warnings).toEqual([]);
  });

  it('is warned of once, when a proxy speaks that is not trusted', () => {
    const request = { ip: '172.18.0.1', headers: { 'x-forwarded-for': '101.226.103.7' } };
    const untrusting = addresses({});
    for (let time = 0; time < 3; time += 1) expect(untrusting.of(request)).toBe('172.18.0.1');
    expect(warnings).toEqual([expect.stringContaining('TRUSTED_PROXY_HOPS is 0')]);
    addresses({ TRUSTED_PROXY_HOPS: '1' }).of(request);
    expect(warnings).toHaveLength(1);
  });

  it('is warned of at the start in production without a proxy', () => {
    addresses({}).warnWithoutProxy();
    addresses({ ...PRODUCTION, TRUSTED_PROXY_HOPS: '1' }).warnWithoutProxy();
    expect(warnings).toEqual([]);
    addresses(PRODUCTION).warnWithoutProxy();
    expect(warnings).toEqual([expect.stringContaining('TRUSTED_PROXY_HOPS is 0')]);
  });
});
