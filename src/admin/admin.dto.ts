import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { CALLBACK_OUTCOMES } from '../callbacks/callback-journal.js';
import {
  CASE_ACTIONS,
  type CaseAction,
  DISCREPANCY_STATUSES,
  DISCREPANCY_TYPES,
} from '../discrepancies/discrepancies.service.js';
import { OneOf, UserFilter } from '../http/filters.js';
import { ListQuery } from '../http/list-query.dto.js';
import { IsMoment } from '../http/moment.validator.js';
import { NoControlCharacters } from '../http/text.validator.js';
import { ORDER_MOVES } from '../orders/order.entity.js';
import { PAYMENT_MOVES } from '../payments/payment.entity.js';
import { RUN_STATUSES } from '../reconciliation/reconciliation-runs.js';
import { REFUND_MOVES, REFUND_ORIGINS } from '../refunds/refund.entity.js';
import { REFUND_OUTCOMES, type RefundOutcome } from '../refunds/unbound-refunds.js';

/** Filters that every operators' list takes. */
export class AdminQuery extends ListQuery {
  @IsMoment('Created at this moment or later')
  from?: string;

  @IsMoment('Created before this moment')
  to?: string;

  @UserFilter()
  user_id?: string;

  @ApiPropertyOptional({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' })
  @IsOptional()
  @Matches(/^[\w|*-]{1,32}$/, { message: '$property must be 1 to 32 letters, digits or _ - | *' })
  out_trade_no?: string;
}

/** Open rows whose provider is not bound any more, or all the others. */
function Unbound(): PropertyDecorator {
  const description = 'Open, and its payment provider is no longer in use: it has to be ended by an operator';
  return applyDecorators(
    ApiPropertyOptional({ enum: ['true', 'false'], description }),
    IsOptional(),
    IsIn(['true', 'false']),
  );
}

export class PaymentsFilter extends AdminQuery {
  @Unbound() unbound?: string;
  @OneOf(Object.keys(PAYMENT_MOVES), 'PaymentStatus') status?: string;
}

export class OrdersFilter extends AdminQuery {
  @OneOf(Object.keys(ORDER_MOVES), 'OrderStatus') status?: string;
}

export class RefundsFilter extends AdminQuery {
  @Unbound() unbound?: string;
  @OneOf(Object.keys(REFUND_MOVES), 'RefundStatus') status?: string;
  @OneOf(REFUND_ORIGINS, 'RefundOrigin') origin?: string;
}

export class CallbacksFilter extends AdminQuery {
  @OneOf(CALLBACK_OUTCOMES, 'CallbackOutcome') status?: string;
}

export class NotificationsFilter extends AdminQuery {
  @OneOf(['read', 'unread'], 'NotificationStatus') status?: string;
}

export class RunsFilter extends AdminQuery {
  @OneOf(RUN_STATUSES, 'RunStatus') status?: string;
}

export class CasesFilter extends AdminQuery {
  @OneOf(DISCREPANCY_STATUSES, 'CaseStatus') status?: string;
  @OneOf(DISCREPANCY_TYPES, 'CaseType') type?: string;
}

export class ResolveBody {
  @ApiProperty({ description: 'What was found and done', example: 'Paid back by bank transfer on the 24th' })
  @IsString()
  @Length(1, 2000)
  @NoControlCharacters()
  note!: string;

  @ApiPropertyOptional({
    enum: CASE_ACTIONS,
    enumName: 'CaseAction',
    description: 'What is done; left out, the note says it all. `accept` and `refund` are for cases of late money',
  })
  @IsOptional()
  @IsIn(CASE_ACTIONS)
  action?: CaseAction;
}

export class EndPaymentBody {
  @ApiProperty({ description: 'Why, for its history', example: 'Made with the mock before the shop opened' })
  @IsString()
  @Length(1, 2000)
  @NoControlCharacters()
  note!: string;
}

export class EndRefundBody extends EndPaymentBody {
  @ApiPropertyOptional({
    enum: REFUND_OUTCOMES,
    enumName: 'RefundOutcome',
    description: 'Only of a refund that was sent. `succeeded`: the payer has the money; `closed`: nobody was paid',
  })
  @IsOptional()
  @IsIn(REFUND_OUTCOMES)
  outcome?: RefundOutcome;
}
