import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../auth/public.js';
import { DomainError } from '../common/errors.js';
import { Settings } from '../config/settings.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { ACKNOWLEDGED, PaymentProvider } from '../provider/payment-provider.js';
import { CallbacksService } from './callbacks.service.js';

const ANSWERS = [
  [200, 'Committed, or already known', ACKNOWLEDGED],
  [
    400,
    'Verified, but it cannot be decrypted or contradicts the payment',
    { code: 'FAIL', message: 'amount mismatch' },
  ],
  [
    401,
    'Bad signature, unknown serial, or a timestamp that is too far off',
    { code: 'FAIL', message: 'bad_signature' },
  ],
  [403, 'The address is not in WECHAT_PAY_CALLBACK_ALLOWED_IPS', { code: 'FAIL', message: 'address_not_allowed' }],
  [429, 'Too many unverified callbacks from this address', { code: 'FAIL', message: 'too_many_requests' }],
  [500, 'Internal error: send it again', { code: 'FAIL', message: 'internal_error' }],
  [503, 'Overloaded or unavailable: send it again', { code: 'FAIL', message: 'service_unavailable' }],
] as const;

function Answers(): MethodDecorator {
  return (target, key, descriptor) => {
    for (const [status, description, example] of ANSWERS) {
      ApiResponse({ status, description, content: { 'application/json': { schema: { type: 'object' }, example } } })(
        target,
        key,
        descriptor,
      );
    }
  };
}

const ENVELOPE = {
  description: "WeChat Pay's V3 notice, signed and encrypted",
  schema: { type: 'object' as const, additionalProperties: true },
};

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
  @ApiOperation({ summary: "WeChat Pay's payment notice" })
  @ApiBody(ENVELOPE)
  @Answers()
  payment(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.take(request, reply);
  }

  @Post('refunds/callback/wechat')
  @InPool('callback')
  @HttpCode(200)
  @ApiOperation({ summary: "WeChat Pay's refund notice" })
  @ApiBody(ENVELOPE)
  @Answers()
  refund(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.take(request, reply);
  }

  @Post('payments/callback/mock')
  @InPool('callback')
  @HttpCode(200)
  @ApiOperation({
    summary: "The mock provider's notice",
    description: '404 in production and with the real provider.',
  })
  @ApiHeader({
    name: 'X-Mock-Signature',
    required: true,
    description: 'Hex HMAC-SHA256 of the raw body with MOCK_CALLBACK_SECRET',
  })
  @ApiBody({
    schema: {
      type: 'object',
      required: ['payment_id', 'status'],
      properties: {
        payment_id: { type: 'string' },
        status: { type: 'string', enum: ['SUCCESS', 'FAIL', 'CLOSED'] },
        amount: { type: 'integer', description: 'In fen' },
        transaction_id: { type: 'string', maxLength: 32 },
      },
    },
  })
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
