import { ManualClock } from '../../../src/common/clock.js';
import { DisabledProvider } from '../../../src/provider/disabled.provider.js';
import { MockProvider } from '../../../src/provider/mock/mock.provider.js';
import { ProviderRegistry } from '../../../src/provider/provider-registry.js';
import { unboundWarning } from '../../../src/unbound-count.js';

const provider = new MockProvider({ callbackSecret: 'secret' }, new ManualClock());
const { mchid } = provider.account;
const OTHERS = [
  { provider: 'wechat', mchid },
  { provider: provider.name, mchid: '1900007291' },
  { provider: `${provider.name}/${mchid}`, mchid: '' },
];

describe('the registry of providers', () => {
  const registry = new ProviderRegistry(provider);

  it('answers the bound provider for a row of its name and merchant', () => {
    const row = { provider: provider.name, mchid };
    expect(registry.of(row)).toBe(provider);
    expect(registry.find(row)).toBe(provider);
    expect(registry.has(row)).toBe(true);
    expect(registry.accounts).toEqual([`${provider.name}/${mchid}`]);
  });

  it.each(OTHERS)('has none for a row of $provider and the merchant number $mchid', (row) => {
    expect(registry.has(row)).toBe(false);
    expect(registry.find(row)).toMatchObject({ code: 'other_provider' });
    expect(() => registry.of(row)).toThrow(expect.objectContaining({ code: 'other_provider' }) as Error);
  });

  it.each([{ provider: provider.name, mchid }, ...OTHERS, { provider: 'disabled', mchid: '' }])(
    'says for a row of $provider that none is enabled where none is',
    (row) => {
      const disabled = new ProviderRegistry(new DisabledProvider());
      expect(disabled.has(row)).toBe(false);
      expect(disabled.accounts).toEqual([]);
      expect(() => disabled.of(row)).toThrow(expect.objectContaining({ code: 'provider_disabled' }) as Error);
    },
  );
});

describe('the warning about rows whose provider is not bound', () => {
  it.each([
    [0, 0, []],
    [1, 0, [expect.stringMatching(/^1 open payment of a payment provider/)]],
    [0, 2, [expect.stringMatching(/^2 open refunds of/)]],
    [3, 1, [expect.stringMatching(/^3 open payments and 1 open refund of .*end_unbound/)]],
  ])('names %d payments and %d refunds', (payments, refunds, warning) => {
    expect(unboundWarning({ payments, refunds })).toEqual(warning);
  });
});
