import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequestCause, Roles } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { Problems } from '../http/openapi.js';
import { PaymentView } from '../payments/payment.view.js';
import { UnboundPayments } from '../payments/unbound-payments.js';
import { RefundView } from '../refunds/refund.view.js';
import { UnboundRefunds } from '../refunds/unbound-refunds.js';
import { EndPaymentBody, EndRefundBody } from './admin.dto.js';

/** Operators end what no provider can be asked about any more. */
@ApiTags('operators')
@ApiBearerAuth()
@Roles('operator')
@Controller('api/admin')
export class UnboundController {
  constructor(
    private readonly payments: UnboundPayments,
    private readonly refunds: UnboundRefunds,
  ) {}

  @Post('payments/:id/end')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'adminEndPayment',
    summary: 'End an open payment whose payment provider is no longer in use',
    description:
      'It becomes `closed` with the failure code `ended_by_operator`, its order `cancelled`. Money that its provider proves ' +
      'later, in use again, is late money.',
  })
  @ApiOkResponse({ type: PaymentView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'payment_expired',
    'payment_not_open',
    'provider_bound',
  )
  async endPayment(
    @Param('id') id: string,
    @Body() { note }: EndPaymentBody,
    @RequestCause() cause: Cause,
  ): Promise<PaymentView> {
    return PaymentView.of(await this.payments.end(id, { note, cause }));
  }

  @Post('refunds/:id/end')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'adminEndRefund',
    summary: 'End an open refund whose payment provider is no longer in use',
    description:
      'One that was never sent becomes `rejected`. One that was sent may have been carried out: `outcome` says what became ' +
      'of it, as the merchant platform shows it.',
  })
  @ApiOkResponse({ type: RefundView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'refund_not_open',
    'provider_bound',
    'refund_outcome_required',
  )
  async endRefund(
    @Param('id') id: string,
    @Body() { note, outcome }: EndRefundBody,
    @RequestCause() cause: Cause,
  ): Promise<RefundView> {
    return RefundView.of(await this.refunds.end(id, { note, outcome, cause }));
  }
}
