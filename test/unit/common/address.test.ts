import { networkOf, normalAddress } from '../../../src/common/address.js';

describe('an address', () => {
  it.each<[string, string]>([
    ['101.226.103.7', '101.226.103.7'],
    [' 101.226.103.7 ', '101.226.103.7'],
    ['101.226.103.7:51234', '101.226.103.7'],
    ['"101.226.103.7:51234"', '101.226.103.7'],
    ['[101.226.103.7]:443', '101.226.103.7'],
    ['::ffff:101.226.103.7', '101.226.103.7'],
    ['::FFFF:65e2:6707', '101.226.103.7'],
    ['[::ffff:101.226.103.7]:443', '101.226.103.7'],
    ['0:0:0:0:0:ffff:101.226.103.7', '101.226.103.7'],
    ['2001:DB8:0:0::0001', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['"[2001:db8::1]:443"', '2001:db8::1'],
    ['2001:db8::1:443', '2001:db8::1:443'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['::1', '::1'],
  ])('written %j is %s', (text, address) => {
    expect(normalAddress(text)).toBe(address);
  });

  it.each([
    ...[
      '',
      'unknown',
      '_hidden',
      'shop.example.com',
      '1',
      '0x7f.0.0.1',
      '010.0.0.1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
    ],
    ...[
      '1.2.3.4:',
      '1.2.3.4:x',
      '1.2.3.4:123456',
      '[1.2.3.4',
      '[2001:db8::1]x',
      '2001:db8::g',
      ':::',
      '1.2.3.4, 5.6.7.8',
    ],
    ...["1.2.3.4'; DROP TABLE callbacks", '1'.repeat(100_000), `[${':'.repeat(100_000)}]`],
  ])('is not %.40j', (text) => {
    expect(normalAddress(text)).toBeNull();
  });

  it('is counted as itself in IPv4, and as its /64 in IPv6', () => {
    expect(networkOf('101.226.103.7')).toBe('101.226.103.7');
    expect(networkOf('unknown')).toBe('unknown');
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
    expect(networkOf('2001:db8:1:2:ffff::1')).toBe('2001:db8:1:2::/64');
    expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'));
  });
});
