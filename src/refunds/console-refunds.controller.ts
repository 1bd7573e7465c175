import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequestCause, Roles } from '../auth/public.js';
import type { Cause } from '../common/cause.js';
import { Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { ConsoleRefunds } from './console-refunds.js';
import { SyncConsoleRefundBody } from './refund.dto.js';
import { RefundView } from './refund.view.js';

/** What operators do about refunds that were made in the merchant console of WeChat Pay. */
@ApiTags('operators')
@ApiBearerAuth()
@Roles('operator')
@Controller('api/admin/payments/:id/refunds')
export class ConsoleRefundsController {
  constructor(private readonly consoleRefunds: ConsoleRefunds) {}

  @Post('sync')
  @InPool('channel')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'adminSyncConsoleRefund',
    summary:
      'Query WeChat Pay about a refund of the payment by its number, and take over one that was made in the console',
  })
  @ApiOkResponse({ type: RefundView })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'not_found',
    'other_provider',
    'payment_not_refundable',
    'refund_exceeds_payment',
    'refund_mismatch',
    'channel_unavailable',
    'service_unavailable',
  )
  async sync(
    @Param('id') id: string,
    @Body() { out_refund_no }: SyncConsoleRefundBody,
    @RequestCause() cause: Cause,
  ): Promise<RefundView> {
    return RefundView.of(await this.consoleRefunds.takeOver(id, out_refund_no, cause));
  }
}
