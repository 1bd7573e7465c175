import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../auth/public.js';
import { DomainError } from '../common/errors.js';
import { Settings } from '../config/settings.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { PaymentProvider } from '../provider/payment-provider.js';
import { Answers, MockNoticeBody, WechatNoticeBody } from './callback-document.js';
import { CallbacksService } from './callbacks.service.js';

/** Where the channel calls back. Either WeChat URL takes either notice; under the mock provider both take the mock's. */
@ApiTags('callbacks')
@Controller('api')
@Public()
export class CallbacksController {
  constructor(
    private readonly callbacks: CallbacksService,
    private readonly provider: PaymentProvider,
    private readonly settings: Settings,
    private readonly addresses: ClientAddresses,
  ) {}

  @Post('payments/callback/wechat')
  @InPool('callback')
  @HttpCode(200)
  @ApiOperation({ operationId: 'receivePaymentNotice', summary: "WeChat Pay's payment notice" })
  @WechatNoticeBody()
  @Answers()
  payment(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.take(request, reply);
  }

  @Post('refunds/callback/wechat')
  @InPool('callback')
  @HttpCode(200)
  @ApiOperation({ operationId: 'receiveRefundNotice', summary: "WeChat Pay's refund notice" })
  @WechatNoticeBody()
  @Answers()
  refund(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.take(request, reply);
  }

  @Post('payments/callback/mock')
  @InPool('callback')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'receiveMockNotice',
    summary: "The mock provider's notice",
    description: '404 in production and with the real provider.',
  })
  @MockNoticeBody()
  @Answers()
  @Problems('not_found')
  mock(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    if (!this.settings.mockEnabled) throw new DomainError('not_found');
    return this.take(request, reply);
  }

  private async take(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!this.provider.rules.takesCallbacks) throw new DomainError('not_found');
    const answer = await this.callbacks.receive({
      headers: flat(request.headers),
      body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      address: this.addresses.of(request),
      requestId: request.id,
    });
    if (answer.status === 429) void reply.header('retry-after', '60');
    await reply
      .status(answer.status)
      .header('content-type', 'application/json; charset=utf-8')
      .send(answer.status === 200 ? this.provider.acknowledge() : this.provider.reject(answer.message));
  }
}

function flat(headers: FastifyRequest['headers']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}
