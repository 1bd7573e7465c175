import { applyDecorators, Body, Controller, Get, HttpCode, Param, Post, Query, type Type } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequestCause, Roles } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { DomainError } from '../common/errors.js';
import type { Page } from '../database/page.js';
import { pageClass, Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { type EventRow, PaymentHistory } from '../payments/payment-history.js';
import { CaseResolver } from '../refunds/case-resolver.js';
import {
  CallbacksFilter,
  CasesFilter,
  NotificationsFilter,
  OrdersFilter,
  PaymentsFilter,
  RefundsFilter,
  ResolveBody,
  RunsFilter,
} from './admin.dto.js';
import {
  AdminCallbackView,
  AdminNotificationView,
  AdminOrderView,
  AdminPaymentView,
  AdminRefundView,
  PaymentEventView,
} from './admin.view.js';
import { AdminLists } from './admin-lists.js';
import { CaseView } from './case.view.js';
import { RunView } from './run.view.js';

type Row = Record<string, unknown>;

/** An operators' list in the document. */
function List(operationId: string, item: Type, summary: string): MethodDecorator {
  return applyDecorators(
    ApiOperation({ operationId, summary }),
    ApiOkResponse({ type: pageClass(item) }),
    Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden'),
  );
}

/** What operators see, and the one thing they change here: a case is resolved with a note, by what was done, never edited in silence. */
@ApiTags('operators')
@ApiBearerAuth()
@Roles('operator')
@Controller('api/admin')
export class AdminController {
  constructor(
    private readonly lists: AdminLists,
    private readonly history: PaymentHistory,
    private readonly resolver: CaseResolver,
  ) {}

  @Get('payments')
  @List('adminListPayments', AdminPaymentView, 'Payments, newest first')
  payments(@Query() query: PaymentsFilter): Promise<Page<Row>> {
    return this.lists.list('payments', query);
  }

  @Get('payments/:id/events')
  @ApiOperation({
    operationId: 'adminListPaymentEvents',
    summary: 'The history of a payment: every status change of it, its order and its refunds, with its cause',
  })
  @ApiOkResponse({ type: pageClass(PaymentEventView) })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async events(@Param('id') id: string): Promise<{ items: EventRow[]; next_cursor: null }> {
    if (!(await this.lists.one('payments', 'pay', id))) throw new DomainError('not_found');
    return { items: await this.history.of(id), next_cursor: null };
  }

  @Get('orders')
  @List('adminListOrders', AdminOrderView, 'Orders, newest first')
  orders(@Query() query: OrdersFilter): Promise<Page<Row>> {
    return this.lists.list('orders', query);
  }

  @Get('refunds')
  @List('adminListRefunds', AdminRefundView, 'Refunds, newest first')
  refunds(@Query() query: RefundsFilter): Promise<Page<Row>> {
    return this.lists.list('refunds', query);
  }

  @Get('callbacks')
  @List(
    'adminListCallbacks',
    AdminCallbackView,
    'All callbacks, also rejected ones, newest first; `status` is the outcome',
  )
  callbacks(@Query() query: CallbacksFilter): Promise<Page<Row>> {
    return this.lists.list('callbacks', query);
  }

  @Get('notifications')
  @List(
    'adminListNotifications',
    AdminNotificationView,
    'Notifications of users and operators, newest first; `status` is `read` or `unread`',
  )
  notifications(@Query() query: NotificationsFilter): Promise<Page<Row>> {
    return this.lists.list('notifications', query);
  }

  @Get('reconciliation/runs')
  @List('adminListRuns', RunView, 'Reconciliation runs (comparisons with a daily bill), newest first')
  runs(@Query() query: RunsFilter): Promise<Page<Row>> {
    return this.lists.list('runs', query);
  }

  @Get('reconciliation/discrepancies')
  @List('adminListCases', CaseView, 'Cases for manual review, newest first; `status` is `open` or `resolved`')
  cases(@Query() query: CasesFilter): Promise<Page<Row>> {
    return this.lists.list('discrepancies', query);
  }

  @Get('reconciliation/discrepancies/:id')
  @ApiOperation({ operationId: 'adminGetCase', summary: 'One case' })
  @ApiOkResponse({ type: CaseView })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async oneCase(@Param('id') id: string): Promise<Row> {
    const row = await this.lists.one('discrepancies', 'dis', id);
    if (!row) throw new DomainError('not_found');
    return row;
  }

  @Post('reconciliation/discrepancies/:id/resolve')
  @InPool('channel')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'adminResolveCase',
    summary: 'Resolve a case: with a note, or by what is done with late money',
    description:
      '`accept`: the pending order becomes paid by the late payment; another open payment of the order is closed at WeChat Pay ' +
      'before. `refund`: what is left of the late payment is refunded at once; the case names the refund. `booked`: no money ' +
      'moves, what was done outside stands in the note; for any case. The same action again answers the same.',
  })
  @ApiOkResponse({ type: CaseView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'discrepancy_resolved',
    'case_not_late_money',
    'order_not_payable',
    'order_has_open_payment',
    'payment_refunded',
    'refund_exceeds_payment',
    'refund_too_old',
    'refund_too_many',
    'other_provider',
    'channel_rejected',
    'channel_unavailable',
    'provider_disabled',
  )
  async resolve(@Param('id') id: string, @Body() body: ResolveBody, @RequestCause() cause: Cause): Promise<Row> {
    await this.resolver.resolve(id, { ...body, cause });
    return this.oneCase(id);
  }
}
