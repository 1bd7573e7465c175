import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { type IdPrefix, isId } from '../common/ids.js';
import { type Page, pageOf, pageQuery } from '../database/page.js';
import { momentOf } from '../http/moment.validator.js';
import { isUnboundPayment } from '../payments/unbound-payments.js';
import { ProviderRegistry } from '../provider/provider-registry.js';
import { isUnboundRefund } from '../refunds/unbound-refunds.js';
import type { AdminQuery, CasesFilter, PaymentsFilter, RefundsFilter } from './admin.dto.js';

/** One operators' list: what it shows, and the expressions that its filters compare. */
interface List {
  columns: string;
  from: string;
  id: string;
  status: string;
  time: string;
  user: string;
  outTradeNo: string;
  /** Rows that are open and whose provider is not bound, with a parameter for the accounts that are. */
  unbound?: (parameter: string) => string;
}

const LISTS = {
  payments: {
    columns: `p.id, p.order_id, o.user_id, p.id AS out_trade_no, p.provider, p.mchid, p.status, p.amount_fen AS amount, p.currency,
      p.reserved_fen AS reserved_amount, p.refunded_fen AS refunded_amount, p.transaction_id, p.late, p.failure_code,
      p.created_at, p.expires_at, p.started_at, p.paid_at, p.settled_at, p.next_check_at, p.checks`,
    from: 'payments p JOIN orders o ON o.id = p.order_id',
    id: 'p.id',
    status: 'p.status',
    time: 'p.created_at',
    user: 'o.user_id',
    outTradeNo: 'p.id',
    unbound: isUnboundPayment,
  },
  orders: {
    columns: `o.id, o.user_id, o.status, o.amount_fen AS amount, o.currency, o.refunded_fen AS refunded_amount,
      o.description, o.metadata, o.paid_payment_id, o.created_by, o.created_at, o.expires_at, o.paid_at`,
    from: 'orders o',
    id: 'o.id',
    status: 'o.status',
    time: 'o.created_at',
    user: 'o.user_id',
    outTradeNo: 'o.paid_payment_id',
  },
  refunds: {
    columns: `r.id, r.payment_id, r.order_id, o.user_id, r.origin,
      coalesce(r.console_refund_no, r.id) AS out_refund_no, r.refund_id, p.provider, p.mchid, r.status,
      r.amount_fen AS amount, r.currency, r.reason, r.requested_by, r.approved_by, r.failure_code, r.failure_message,
      r.created_at, r.sent_at, r.last_sent_at, r.succeeded_at, r.settled_at, r.next_check_at, r.checks`,
    from: 'refunds r JOIN orders o ON o.id = r.order_id JOIN payments p ON p.id = r.payment_id',
    id: 'r.id',
    status: 'r.status',
    time: 'r.created_at',
    user: 'o.user_id',
    outTradeNo: 'r.payment_id',
    unbound: isUnboundRefund,
  },
  callbacks: {
    columns: `c.id, c.received_at, c.provider, c.outcome, c.http_status, c.address, c.event_type, c.notification_id,
      c.out_trade_no, c.out_refund_no, c.code, c.serial, c.body_sha256, c.body_bytes, c.request_id`,
    from: `callbacks c LEFT JOIN payments p ON p.id = c.out_trade_no LEFT JOIN orders o ON o.id = p.order_id`,
    id: 'c.id',
    status: 'c.outcome',
    time: 'c.received_at',
    user: 'o.user_id',
    outTradeNo: 'c.out_trade_no',
  },
  notifications: {
    columns: 'n.id, n.user_id, n.type, n.subject_id, n.data, n.created_at, n.read_at',
    from: 'users_notification n',
    id: 'n.id',
    status: `CASE WHEN n.read_at IS NULL THEN 'unread' ELSE 'read' END`,
    time: 'n.created_at',
    user: 'n.user_id',
    outTradeNo: `n.data ->> 'payment_id'`,
  },
  runs: {
    columns: `r.id, to_char(r.day, 'YYYY-MM-DD') AS day, r.kind, r.status, r.attempts, r.created_at, r.finished_at,
      r.next_attempt_at, r.error_code, r.summary`,
    from: 'reconciliation_runs r',
    id: 'r.id',
    status: 'r.status',
    time: 'r.created_at',
    user: 'NULL',
    outTradeNo: 'NULL',
  },
  discrepancies: {
    columns: `d.id, d.type, d.status, d.payment_id, d.refund_id, d.out_trade_no, d.out_refund_no, d.detail, d.opened_at,
      d.resolved_at, d.resolved_by, d.note, d.action, d.action_refund_id, d.run_id`,
    from: `discrepancies d LEFT JOIN payments p ON p.id = d.payment_id LEFT JOIN orders o ON o.id = p.order_id`,
    id: 'd.id',
    status: 'd.status',
    time: 'd.opened_at',
    user: 'o.user_id',
    outTradeNo: 'd.out_trade_no',
  },
} satisfies Record<string, List>;

export type ListName = keyof typeof LISTS;

type Row = Record<string, unknown> & { id: string };

/** The operators' lists: newest first, by key, read only. Bodies, card data and openids are in none of them. */
@Injectable()
export class AdminLists {
  constructor(
    @InjectDataSource() private readonly db: DataSource,
    private readonly registry: ProviderRegistry,
  ) {}

  async list(
    name: ListName,
    query: AdminQuery &
      Pick<CasesFilter, 'status' | 'type'> &
      Pick<RefundsFilter, 'origin'> &
      Pick<PaymentsFilter, 'unbound'>,
  ): Promise<Page<Row>> {
    const list: List = LISTS[name];
    const page = pageQuery(query.limit, query.cursor);
    const conditions: string[] = [];
    const values: unknown[] = [];
    const where = (condition: string, value: unknown): void => {
      if (value === undefined || value === null) return;
      values.push(value);
      conditions.push(condition.replace('?', `$${values.length}`));
    };
    where(`${list.id} < ?`, page.after);
    where(`${list.status} = ?`, query.status);
    where(`${list.time} >= ?`, momentOf(query.from));
    where(`${list.time} < ?`, momentOf(query.to));
    where(`${list.user} = ?`, query.user_id);
    where(`${list.outTradeNo} = ?`, query.out_trade_no);
    where('d.type = ?', query.type);
    where('r.origin = ?', query.origin);
    if (list.unbound && query.unbound) {
      const unbound = list.unbound('?');
      where(query.unbound === 'true' ? unbound : `NOT (${unbound})`, this.registry.accounts);
    }
    values.push(page.limit + 1);
    const rows = await this.db.query<Row[]>(
      `SELECT ${list.columns} FROM ${list.from} ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
       ORDER BY ${list.id} DESC LIMIT $${values.length}`,
      values,
    );
    return pageOf(rows, page, (row) => row.id);
  }

  /** A row by its id; null for one that is not there, and for text that is no such id. */
  async one(name: ListName, prefix: IdPrefix, id: string): Promise<Row | null> {
    if (!isId(prefix, id)) return null;
    const list: List = LISTS[name];
    const [row] = await this.db.query<Row[]>(`SELECT ${list.columns} FROM ${list.from} WHERE ${list.id} = $1`, [id]);
    return row ?? null;
  }
}
