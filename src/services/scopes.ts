/** What an API key may be used for: scope → what it opens. Each route that a service may use names one of them. */
export const SCOPES = {
  read: 'read orders, payments and refunds',
  orders: 'hand in users; place and cancel orders; create, start, query and cancel their payments',
  refunds: 'ask for refunds, and query WeChat Pay about them',
  approve_refunds: 'carry refunds out or reject them',
  events: 'read the feed of events',
} as const;

export type ScopeName = keyof typeof SCOPES;

export const SCOPE_NAMES = Object.keys(SCOPES) as readonly ScopeName[];
