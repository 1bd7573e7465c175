/**
 * What is mutated, and the tests that have to notice: quick ones that say much of that part. Left out are tests that
 * start processes, wait for the network to time out, or read the source tree. Left out of the sources are wiring and
 * what prints for people: nothing in it moves money or proves anything.
 */
export const PARTS = {
  // What proves and opens what the channel says, what is read out of it, and amounts. No database, no network.
  proof: {
    mutate: [
      'src/common/money.ts',
      'src/provider/wechat/{call-error,callback,encryption,facts,json,requests,signature}.ts',
    ],
    testFiles: [
      'test/unit/common/money.test.ts',
      'test/unit/wechat/{call-error,callback,crypto-vectors,facts,json,requests}.test.ts',
    ],
  },
  // Calls to the channel, keys and settings, against a server of the tests.
  channel: {
    mutate: [
      'src/provider/wechat/**/*.ts',
      '!src/provider/wechat/{call-error,callback,doctor*,encryption,facts,json,requests,signature}.ts',
    ],
    testFiles: ['test/unit/wechat/**/*.test.ts'],
  },
  // The money rules as plain code: no database either.
  rules: {
    mutate: [
      'src/payments/{batch,decide,payment-events,payment.entity,payment.view,refusals}.ts',
      'src/refunds/{batch,console-refund,decide,refund-budget,refund-cases,refund-events,refund.dto,refund.entity,refund.view,schedule}.ts',
    ],
    testFiles: ['test/unit/payments/**/*.test.ts', 'test/unit/refunds/**/*.test.ts'],
  },
  // What locks, calls and writes, on PostgreSQL.
  settlement: {
    mutate: ['src/{payments,refunds}/{payment,refund}-settlement.ts', 'src/payments/late-money.ts'],
    testFiles: [
      'test/service/{payment-settlement,refund-calls,refund-settlement}.test.ts',
      'test/e2e/{late-money,refund-late-money}.test.ts',
    ],
  },
  payments: {
    mutate: [
      'src/payments/**/*.ts',
      '!src/payments/{batch,decide,late-money,payment-events,payment-settlement,payment.*,refusals,*.commands,*.module}.ts',
    ],
    testFiles: [
      'test/service/{due-payment,payment}-calls.test.ts',
      'test/e2e/{due-payments,idempotency,late-money-channel,mock-outcomes,payment,payments}.test.ts',
    ],
  },
  refunds: {
    mutate: [
      'src/refunds/**/*.ts',
      '!src/refunds/{batch,console-refund,decide,refund.*,refund-budget,refund-cases,refund-events,refund-settlement,schedule,*.commands,*.module}.ts',
    ],
    testFiles: [
      'test/service/{due-refund,refund}-calls.test.ts',
      'test/e2e/refund-{late-money,mock-outcomes,notices,requests,simulated}.test.ts',
    ],
  },
  // Orders of a shop's own backend, and the feed that tells of them.
  shop: {
    mutate: [
      'src/orders/new-order.ts',
      'src/shop/order-{placement,cancellation}.ts',
      'src/shop/shop-users.ts',
      'src/events/event-*.ts',
    ],
    testFiles: ['test/e2e/shop-{orders,wechat}.test.ts', 'test/service/events.test.ts'],
  },
  callbacks: {
    mutate: ['src/callbacks/**/*.ts', '!src/callbacks/*{.command,.module}.ts'],
    testFiles: [
      'test/service/{callbacks,callback-journal}.test.ts',
      'test/e2e/{callbacks,wechat-callback-bad}.test.ts',
    ],
  },
};
