import { applyDecorators, Body, Controller, Get, HttpCode, Param, Post, Query, type Type } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import { type Caller, CurrentUser, Roles } from '../auth/public.js';
import { DomainError } from '../common/errors.js';
import type { Page } from '../database/page.js';
import { DiscrepanciesService } from '../discrepancies/discrepancies.service.js';
import { Problems } from '../http/openapi.js';
import { NoControlCharacters } from '../http/text.validator.js';
import { type EventRow, PaymentHistory } from '../payments/payment-history.js';
import {
  CallbacksFilter,
  CasesFilter,
  NotificationsFilter,
  OrdersFilter,
  PaymentsFilter,
  RefundsFilter,
  RunsFilter,
} from './admin.dto.js';
import { AdminLists } from './admin-lists.js';
import { RunView } from './run.view.js';

export class ResolveBody {
  @ApiProperty({ description: 'What was found and done', example: 'Paid back by bank transfer on the 24th' })
  @IsString()
  @Length(1, 2000)
  @NoControlCharacters()
  note!: string;
}

type Row = Record<string, unknown>;

/** An operators' list in the document. */
function List(summary: string, item?: Type): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary }),
    ...(item ? [ApiExtraModels(item)] : []),
    ApiOkResponse({
      schema: {
        type: 'object',
        required: ['items', 'next_cursor'],
        properties: {
          items: {
            type: 'array',
            items: item ? { $ref: getSchemaPath(item) } : { type: 'object', additionalProperties: true },
          },
          next_cursor: { type: 'string', nullable: true },
        },
      },
    }),
    Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden'),
  );
}

const anything = { schema: { type: 'object' as const, additionalProperties: true } };

/** What operators see, and the one thing they change here: a case is resolved with a note, never edited in silence. */
@ApiTags('operators')
@ApiBearerAuth()
@Roles('operator')
@Controller('api/admin')
export class AdminController {
  constructor(
    private readonly lists: AdminLists,
    private readonly history: PaymentHistory,
    private readonly discrepancies: DiscrepanciesService,
  ) {}

  @Get('payments')
  @List('Payments, newest first')
  payments(@Query() query: PaymentsFilter): Promise<Page<Row>> {
    return this.lists.list('payments', query);
  }

  @Get('payments/:id/events')
  @ApiOperation({
    summary: 'The history of a payment: every status change of it, its order and its refunds, with its cause',
  })
  @ApiOkResponse({ schema: { type: 'object', properties: { items: { type: 'array', items: { type: 'object' } } } } })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async events(@Param('id') id: string): Promise<{ items: EventRow[]; next_cursor: null }> {
    if (!(await this.lists.one('payments', 'pay', id))) throw new DomainError('not_found');
    return { items: await this.history.of(id), next_cursor: null };
  }

  @Get('orders')
  @List('Orders, newest first')
  orders(@Query() query: OrdersFilter): Promise<Page<Row>> {
    return this.lists.list('orders', query);
  }

  @Get('refunds')
  @List('Refunds, newest first')
  refunds(@Query() query: RefundsFilter): Promise<Page<Row>> {
    return this.lists.list('refunds', query);
  }

  @Get('callbacks')
  @List('All callbacks, also rejected ones, newest first; `status` is the outcome')
  callbacks(@Query() query: CallbacksFilter): Promise<Page<Row>> {
    return this.lists.list('callbacks', query);
  }

  @Get('notifications')
  @List('Notifications of users and operators, newest first; `status` is `read` or `unread`')
  notifications(@Query() query: NotificationsFilter): Promise<Page<Row>> {
    return this.lists.list('notifications', query);
  }

  @Get('reconciliation/runs')
  @List('Reconciliation runs (comparisons with a daily bill), newest first', RunView)
  runs(@Query() query: RunsFilter): Promise<Page<Row>> {
    return this.lists.list('runs', query);
  }

  @Get('reconciliation/discrepancies')
  @List('Cases for manual review, newest first; `status` is `open` or `resolved`')
  cases(@Query() query: CasesFilter): Promise<Page<Row>> {
    return this.lists.list('discrepancies', query);
  }

  @Get('reconciliation/discrepancies/:id')
  @ApiOperation({ summary: 'One case' })
  @ApiOkResponse(anything)
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async oneCase(@Param('id') id: string): Promise<Row> {
    const row = await this.lists.one('discrepancies', 'dis', id);
    if (!row) throw new DomainError('not_found');
    return row;
  }

  @Post('reconciliation/discrepancies/:id/resolve')
  @HttpCode(200)
  @ApiOperation({ summary: 'Resolve a case with a note' })
  @ApiOkResponse(anything)
  @Problems('invalid_request', 'unauthenticated', 'forbidden', 'not_found', 'discrepancy_resolved')
  async resolve(@Param('id') id: string, @Body() body: ResolveBody, @CurrentUser() caller: Caller): Promise<Row> {
    await this.discrepancies.resolve(id, body.note, caller.id);
    return this.oneCase(id);
  }
}
