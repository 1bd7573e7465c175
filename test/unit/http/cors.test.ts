import { ConfigError, parseSettings } from '../../../src/config/settings.js';
import { isLocalOrigin } from '../../../src/http/cors.js';

describe('an origin of this machine or its network', () => {
  it.each([
    'http://localhost',
    'http://localhost:5173',
    'https://shop.localhost:8443',
    'http://127.0.0.1:3000',
    'http://127.8.8.8',
    'http://[::1]:3000',
    'http://10.0.0.5',
    'http://172.16.0.1',
    'http://172.31.255.254:8080',
    'https://192.168.1.20',
    'http://169.254.1.1',
    'http://[fd12:3456:789a::1]',
    'http://[fe80::1]',
  ])('is %s', (origin) => {
    expect(isLocalOrigin(origin)).toBe(true);
  });

  it.each([
    'null',
    '',
    '*',
    'http://localhost.evil.com',
    'http://127.0.0.1.evil.com',
    'http://evil.com?localhost',
    'http://evil.com#http://localhost',
    'http://localhost@evil.com',
    'http://localhost:80@evil.com',
    'http://user@localhost',
    'http://localhost/',
    'http://localhost/path',
    'http://localhost:99999',
    'http://LOCALHOST',
    'http://localhost.',
    'http://notlocalhost',
    'http://mylocalhost:3000',
    'http://192.168.1.20.evil.com',
    'http://192-168-1-20.evil.com',
    'http://10.evil.com',
    'http://printer.local',
    'http://router.lan',
    'http://172.15.0.1',
    'http://172.32.0.1',
    'http://192.169.0.1',
    'http://11.0.0.1',
    'http://8.8.8.8',
    'http://100.64.0.1',
    'http://[2001:db8::1]',
    'http://2130706433',
    'http://0x7f.1',
    'http://0177.0.0.1',
    'http://127.1',
    'http://0.0.0.0',
    'ftp://localhost',
    'file://localhost',
    'wss://localhost',
    'chrome-extension://localhost',
    'http://localhost http://evil.com',
    'http://localhost,http://evil.com',
    'http://evil.com\\@localhost',
    'http://localhost\\.evil.com',
  ])('is not %s', (origin) => {
    expect(isLocalOrigin(origin)).toBe(false);
  });
});

describe('CORS_ORIGINS', () => {
  const PRODUCTION = {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://paydesk:secret@db.example/paydesk',
    JWT_SECRET: '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95',
  };

  it('is open for local origins in development and for none in production', () => {
    expect(parseSettings({}).corsOrigins).toBe('local');
    expect(parseSettings({ CORS_ORIGINS: '' }).corsOrigins).toBe('local');
    expect(parseSettings(PRODUCTION).corsOrigins).toEqual([]);
  });

  it('is a list of origins, or none', () => {
    const given = 'https://shop.example, https://m.shop.example:8443,http://192.168.1.20:5173';
    const read = ['https://shop.example', 'https://m.shop.example:8443', 'http://192.168.1.20:5173'];
    expect(parseSettings({ CORS_ORIGINS: given }).corsOrigins).toEqual(read);
    expect(parseSettings({ ...PRODUCTION, CORS_ORIGINS: given }).corsOrigins).toEqual(read);
    expect(parseSettings({ CORS_ORIGINS: 'none' }).corsOrigins).toEqual([]);
  });

  it.each([
    '*',
    'null',
    ',',
    'shop.example',
    'https://shop.example/',
    'https://shop.example/path',
    'https://Shop.example',
    'https://shop.example:443',
    'https://*.shop.example',
    'https://user@shop.example',
    'ftp://shop.example',
    'https://shop.example,none',
    'https://shop.example;https://m.shop.example',
    'https://shop.example,',
  ])('refuses %p with words that say what to write', (value) => {
    const start = (): unknown => parseSettings({ CORS_ORIGINS: value });
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(/CORS_ORIGINS must be a comma-separated list of origins such as https:\/\/shop\.example/);
  });
});
