import fc from 'fast-check';
import { type Api, startTestApp, TEA, type TestApp } from '../support/app.js';
import {
  type Customer,
  newCustomer,
  type OrderView,
  placeOrder,
  placePayment,
  type Problem,
  raw,
} from '../support/flows.js';

describe('what clients may send', () => {
  let paydesk: TestApp;
  let alice: Customer;
  let shop: Api;

  beforeAll(async () => {
    paydesk = await startTestApp();
    alice = await newCustomer(paydesk);
    shop = await paydesk.as('service', 'shop-backend');
  });
  afterAll(() => paydesk.close());

  const shopOrder = (changes: Record<string, unknown>): Record<string, unknown> => ({
    user_id: alice.id,
    description: 'Two cups of tea',
    amount: 1800,
    ...changes,
  });

  let paidPayment = '';
  let refund = '';
  /** A refund of Alice's that nobody has carried out. */
  const refundOf = async (): Promise<string> => {
    if (refund !== '') return refund;
    const orderId = await placeOrder(paydesk, alice);
    paidPayment = await placePayment(alice, orderId);
    await paydesk.callback({ payment_id: paidPayment, status: 'SUCCESS' });
    const { body } = await alice.api.post<{ id: string }>('/refunds/', { payment_id: paidPayment, amount: 1 });
    return (refund = body.id);
  };

  const orders = async (): Promise<number> => {
    const [row] = await paydesk.db.query<[{ n: string }]>('SELECT count(*) n FROM orders');
    return Number(row.n);
  };

  it.each<[string, unknown]>([
    ['zero', 0],
    ['negative', -1],
    ['fractional', 10.5],
    ['huge', 1_000_000_001],
    ['beyond any integer', 1e300],
    ['text', '1800'],
    ['true', true],
    ['null', null],
    ['a list', [1800]],
    ['an object', { fen: 1800 }],
    ['left out', undefined],
  ])('refuses an amount that is %s, naming the field', async (_, amount) => {
    const before = await orders();
    const { status, body } = await shop.post<Problem>('/orders/', shopOrder({ amount }));
    expect([status, body.code, body.errors?.map((error) => error.field)]).toEqual([400, 'invalid_request', ['amount']]);
    expect(await orders()).toBe(before);
  });

  it('takes amounts from one fen to ten million yuan', async () => {
    for (const amount of [1, 1_000_000_000]) {
      expect(await shop.post('/orders/', shopOrder({ amount }))).toMatchObject({ status: 201, body: { amount } });
    }
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['no quantity', { product_id: TEA }, ['quantity']],
    ['a quantity of zero', { product_id: TEA, quantity: 0 }, ['quantity']],
    ['a fractional quantity', { product_id: TEA, quantity: 1.5 }, ['quantity']],
    ['too large a quantity', { product_id: TEA, quantity: 1001 }, ['quantity']],
    ['a quantity as text', { product_id: TEA, quantity: '1' }, ['quantity']],
    ['an unknown product', { product_id: 'prd_nothing', quantity: 1 }, ['product_id']],
    ['a product with a control character', { product_id: 'prd\u0000', quantity: 1 }, ['product_id']],
    ['unknown fields', { product_id: TEA, quantity: 1, price: 1, paid: true }, ['paid', 'price']],
    ['everything wrong', { product_id: 7, quantity: -1, more: 1 }, ['more', 'product_id', 'quantity']],
    ['nothing at all', {}, ['product_id', 'quantity']],
  ])('refuses an order with %s, naming the fields', async (_, body, fields) => {
    const answer = await alice.api.post<Problem>('/orders/', body);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.body.errors?.map((error) => error.field).sort()).toEqual(fields);
    for (const error of answer.body.errors ?? []) expect(error.message).not.toBe('');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['somebody who never logged in', { user_id: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }, 'user_id'],
    ['an empty user', { user_id: '' }, 'user_id'],
    ['a user with a NUL', { user_id: 'a\u0000b' }, 'user_id'],
    ['an empty description', { description: '' }, 'description'],
    ['a description of 128 characters', { description: 'x'.repeat(128) }, 'description'],
    ['a description with a line break', { description: 'a\nb' }, 'description'],
    ['half a character', { description: 'a\ud800' }, 'description'],
    ['metadata that is text', { metadata: 'cart' }, 'metadata'],
    ['metadata that is a list', { metadata: [1] }, 'metadata'],
    ['metadata of more than 4 KB', { metadata: { a: 'x'.repeat(4096 - 7) } }, 'metadata'],
    ['metadata of more than 4 KB in bytes', { metadata: { a: '茶'.repeat(1400) } }, 'metadata'],
    ['a NUL deep in metadata', { metadata: { a: [{ b: 'x\u0000' }] } }, 'metadata'],
    ['a NUL in a name of metadata', { metadata: { 'a\u0000': 1 } }, 'metadata'],
    ['half a character in metadata', { metadata: { a: '\udc00' } }, 'metadata'],
    ['a name in metadata that could change prototypes', { metadata: { a: [{ constructor: 1 }] } }, 'metadata'],
    ['metadata beyond any depth', { metadata: { a: nested(1500) } }, 'metadata'],
  ])('refuses an order of a shop with %s, naming the field', async (_, changes, field) => {
    const { status, body } = await shop.post<Problem>('/orders/', shopOrder(changes));
    expect([status, body.code, body.errors?.map((error) => error.field)]).toEqual([400, 'invalid_request', [field]]);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ user_id: 'USER', description: 'x', amount: '100' }, 'amount must be an integer number'],
    [{ user_id: 'USER', description: 'x' }, 'amount is required'],
    [{ user_id: 'USER', amount: 100 }, 'description is required'],
    [{ user_id: 'USER', description: 17, amount: 100 }, 'description must be a string'],
    [{ user_id: 'USER', description: 'x', amount: null }, 'amount must be an integer number'],
    [{ user_id: 'USER', description: 'x', amount: 1e10 }, 'amount must not be greater than 1000000000'],
    [{ user_id: 'USER', description: 'x', amount: 1, metadata: 'y' }, 'metadata must be an object'],
    [{ user_id: 'USER', description: 'x', amount: 1, Amount: 1 }, 'Amount is not a known field'],
    [{ product_id: 'PRODUCT', quantity: '2' }, 'quantity must be an integer number'],
    [{ product_id: 'PRODUCT' }, 'quantity is required'],
    [{ quantity: 1 }, 'product_id is required'],
    [{ product_id: 7, quantity: 1 }, 'product_id must be a string'],
    [{ product_id: 'PRODUCT', quantity: 1001 }, 'quantity must not be greater than 1000'],
    [{ product_id: 'PRODUCT', quantity: 0 }, 'quantity must not be less than 1'],
  ])('names the first rule that %j breaks: required, then type, then range', async (order, message) => {
    const api = 'product_id' in order || 'quantity' in order ? alice.api : shop;
    const body = {
      ...order,
      ...(order.user_id ? { user_id: alice.id } : {}),
      ...(order.product_id === 'PRODUCT' ? { product_id: TEA } : {}),
    };
    const answer = await api.post<Problem>('/orders/', body);
    expect([answer.status, answer.body.detail, answer.body.errors?.map((error) => error.message)]).toEqual([
      400,
      message,
      [message],
    ]);
  });

  it.each<[string, string, Record<string, unknown>, string]>([
    ['user', '/auth/login/', {}, 'code is required'],
    ['user', '/auth/login/', { code: 17 }, 'code must be a string'],
    ['user', '/payments/', {}, 'order_id is required'],
    ['user', '/refunds/', {}, 'payment_id or order_id is required'],
    ['user', '/refunds/', { payment_id: [] }, 'payment_id must be a string'],
    ['operator', '/refunds/REFUND/reject/', {}, 'reason is required'],
    ['operator', '/refunds/REFUND/reject/', { reason: 17 }, 'reason must be a string'],
    ['operator', '/refunds/REFUND/reject/', { reason: '' }, 'reason must be longer than or equal to 1 characters'],
    ['operator', '/refunds/REFUND/retry-abnormal/', {}, 'to is required'],
    [
      'operator',
      '/refunds/REFUND/retry-abnormal/',
      { to: 'user_card', bank_type: 'ICBC_DEBIT', real_name: 'x' },
      'bank_account is required',
    ],
    ['operator', '/admin/reconciliation/discrepancies/dis_01JD8Q5Z6T8RZ1M0V4N9X2K7CB/resolve/', {}, 'note is required'],
  ])('says as %s to %s with %j: %s', async (role, path, body, message) => {
    const api = role === 'operator' ? await paydesk.as('operator') : alice.api;
    const answer = await api.post<Problem>(path.replace('REFUND', await refundOf()), body);
    expect([answer.status, answer.body.detail]).toEqual([400, message]);
  });

  it.each([
    ['?limit=abc', 'limit must be an integer number'],
    ['?limit=1&limit=2', 'limit must be an integer number'],
    ['?limit=0', 'limit must not be less than 1'],
    ['?limit=1000', 'limit must not be greater than 100'],
    ['?page=2', 'page is not a known field'],
  ])('says to the query %s: %s', async (query, message) => {
    const answer = await alice.api.get<Problem>(`/orders/${query}`);
    expect([answer.status, answer.body.detail]).toEqual([400, message]);
  });

  it.each<[string, string]>([
    ['{"product_id":"A","quantity":1,"quantity":2}', 'quantity'],
    ['{"product_id":"A","quantity":1,"quantity":1}', 'quantity'],
    ['{"product_id":"A","quantity":1,"\\u0071uantity":2}', 'quantity'],
    ['{"product_id":"A","quantity" : 1 , "quantity"\n:{}}', 'quantity'],
    ['{"metadata":{"a":[{"b":"{\\"c\\":1}","c":2,"b":3}]}}', 'b'],
  ])('refuses a body that names a field twice: %s', async (text, field) => {
    const headers: [string, string][] = [
      ['content-type', 'application/json'],
      ['authorization', `Bearer ${alice.token}`],
    ];
    const answer = await raw(paydesk.url, 'POST', '/api/orders/', headers, text);
    const problem = JSON.parse(answer.text) as Problem;
    expect([answer.status, problem.code, problem.errors]).toEqual([
      400,
      'invalid_request',
      [{ field, message: 'must not be given more than once' }],
    ]);
  });

  it('takes names again in another object, and what only looks like a name', async () => {
    const metadata = { a: 1, b: { a: 1 }, c: [{ a: 1 }, { a: '"a":1,"a":2' }], d: '\\', '"': 'x', '\\"': 'y' };
    const { status, body } = await shop.post<OrderView>('/orders/', shopOrder({ metadata }));
    expect([status, body.metadata]).toEqual([201, metadata]);
  });

  it.each<[string, string]>([
    ['a bidi override', 'tea\u202E cup'],
    ['a bidi isolate', 'tea\u2066cup'],
    ['a right-to-left mark', 'tea\u200Fcup'],
    ['a zero-width space', 'tea\u200Bcup'],
    ['a joiner between letters', 'tea\u200Dcup'],
    ['a joiner after an emoji', '👩\u200D'],
    ['a byte-order mark', '\uFEFFtea'],
    ['a word joiner', 'tea\u2060cup'],
    ['a soft hyphen', 'tea\u00ADcup'],
    ['a Hangul filler', 'tea\u3164cup'],
    ['tags without a flag', 'tea\u{E0067}\u{E0062}'],
    ['a line separator', 'tea\u2028cup'],
    ['a paragraph separator', 'tea\u2029cup'],
    ['a C1 control', 'tea\u0085cup'],
  ])('refuses %s in any text for people, and names the character', async (_, text) => {
    const operator = await paydesk.as('operator');
    const refund = await refundOf();
    const answers = await Promise.all([
      shop.post<Problem>('/orders/', shopOrder({ description: text })),
      shop.post<Problem>('/orders/', shopOrder({ metadata: { cart: [text] } })),
      shop.post<Problem>('/orders/', shopOrder({ metadata: { [text]: 1 } })),
      operator.post<Problem>(`/refunds/${refund}/reject/`, { reason: text }),
      alice.api.post<Problem>('/refunds/', { payment_id: paidPayment, reason: text }),
      operator.post<Problem>('/admin/reconciliation/discrepancies/dis_01JD8Q5Z6T8RZ1M0V4N9X2K7CB/resolve/', {
        note: text,
      }),
    ]);
    for (const { status, body } of answers) {
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.detail).toMatch(/^\w+ must not contain control or invisible characters \(found U\+[0-9A-F]{4,5}\)$/);
    }
  });

  it.each(['茶杯 ×2', '👩‍💻 👨‍👩‍👧‍👦', '🧑🏽‍🚀', '🏳️‍🌈 🏴‍☠️ ❤️‍🔥', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🚶‍♀️‍➡️', '1️⃣ ☎️ 🇨🇳', '葛󠄀', 'é ﷺ ក'])(
    'keeps %s as it is',
    async (description) => {
      const metadata = { card: `${description}\n\t${description}` };
      const { status, body } = await shop.post<OrderView>('/orders/', shopOrder({ description, metadata }));
      expect([status, body.description, body.metadata]).toEqual([201, description, metadata]);
    },
  );

  it('refuses depth that would exhaust the stack, whatever field it stands in', async () => {
    for (const field of ['metadata', 'description', 'amount', 'more']) {
      const deep = JSON.stringify(shopOrder({ [field]: 'DEEP' })).replace(
        '"DEEP"',
        '['.repeat(30_000) + ']'.repeat(30_000),
      );
      const body = field === 'metadata' ? deep.replace('[[', '{"a":[').replace(']]', ']}') : deep;
      const { authorization } = await bearer();
      const headers: [string, string][] = [
        ['content-type', 'application/json'],
        ['authorization', authorization],
      ];
      expect([field, (await raw(paydesk.url, 'POST', '/api/orders/', headers, body)).status]).toEqual([field, 400]);
    }
  });

  it('refuses __proto__ in metadata', async () => {
    const { authorization } = await bearer();
    const body = JSON.stringify(shopOrder({ metadata: { a: 'HERE' } })).replace('"a":"HERE"', '"__proto__":{"x":1}');
    const headers: [string, string][] = [
      ['content-type', 'application/json'],
      ['authorization', authorization],
    ];
    expect((await raw(paydesk.url, 'POST', '/api/orders/', headers, body)).status).toBe(400);
  });

  it('keeps metadata of exactly 4 KB', async () => {
    const metadata = { a: 'x'.repeat(4096 - 8) };
    expect(JSON.stringify(metadata)).toHaveLength(4096);
    expect(await shop.post('/orders/', shopOrder({ metadata }))).toMatchObject({ status: 201, body: { metadata } });
  });

  it('gives back the metadata that it was given, whatever JSON object it is', async () => {
    const names = fc.oneof(
      fc.string(),
      fc.constantFrom('toString', 'then', 'hasOwnProperty', 'valueOf', 'length', 'toJSON'),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(names, tie('value'), { maxKeys: 3, noNullPrototype: true }),
      ),
    }));
    const metadata = fc
      .dictionary(names, value, { maxKeys: 4, noNullPrototype: true })
      .filter((object) => !/\\u0000|"(__proto__|constructor|prototype)":/.test(JSON.stringify(object)));
    await fc.assert(
      fc.asyncProperty(metadata, async (object) => {
        const { status, body } = await shop.post<OrderView>('/orders/', shopOrder({ metadata: object }));
        expect([status, body.metadata]).toEqual([201, object]);
      }),
      { numRuns: 100, seed: 20261123 },
    );
  });

  it.each<[string, unknown]>([
    ['text', '"alice"'],
    ['a list', '[{"code":"alice"}]'],
    ['null', 'null'],
    ['a number', '17'],
    ['nothing', ''],
    ['an object that names its own constructor', '{"code":"alice","constructor":"x"}'],
  ])('answers 400 to a body that is %s', async (_, text) => {
    for (const path of ['/api/auth/login/', '/api/orders/', '/api/payments/']) {
      const headers: [string, string][] = [
        ['content-type', 'application/json'],
        ['authorization', `Bearer ${alice.token}`],
      ];
      const answer = await raw(paydesk.url, 'POST', path, headers, text as string);
      expect([path, answer.status, (JSON.parse(answer.text) as Problem).code]).toEqual([path, 400, 'invalid_request']);
    }
  });

  it.each<[string, unknown]>([
    ['left out', undefined],
    ['no text', 17],
    ['a list', ['a']],
    ['null', null],
  ])('names order_id when it is %s', async (_, order_id) => {
    const { status, body } = await alice.api.post<Problem>('/payments/', { order_id });
    expect([status, body.errors?.map((error) => error.field)]).toEqual([400, ['order_id']]);
  });

  it.each(['', 'with space', 'a/b', '茶', 'x'.repeat(65), 'x'.repeat(257)])(
    'refuses the login code "%s"',
    async (code) => {
      const { status, body } = await paydesk.api().post<Problem>('/auth/login/', { code });
      expect([status, body.errors?.map((error) => error.field)]).toEqual([400, ['code']]);
    },
  );

  it('knows a user again by the code, and never more than one of them', async () => {
    const logins = await Promise.all(Array.from({ length: 20 }, () => paydesk.login('the_same-one')));
    expect(new Set(logins.map((login) => login.id)).size).toBe(1);
    const { body } = await paydesk.api().post('/auth/login', { code: 'the_same-one' });
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 7200, user: { openid: 'mock_the_same-one' } });
  });

  async function bearer(): Promise<{ authorization: string }> {
    const { TokensService } = await import('../../src/auth/tokens.service.js');
    const { token } = await paydesk.app.get(TokensService).issue({ id: 'shop-backend', role: 'service' });
    return { authorization: `Bearer ${token}` };
  }
});

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}
