import { applyDecorators } from '@nestjs/common';
import {
  ApiBody,
  ApiExtraModels,
  ApiHeader,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { ACKNOWLEDGED } from '../provider/payment-provider.js';

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

class CallbackAnswerView {
  @ApiProperty({ enum: ['SUCCESS', 'FAIL'] }) code!: string;
  @ApiProperty() message!: string;
}

/** What a callback is answered, in the form that WeChat Pay reads. */
export function Answers(): MethodDecorator {
  const schema = { $ref: getSchemaPath(CallbackAnswerView) };
  return applyDecorators(
    ApiExtraModels(CallbackAnswerView),
    ...ANSWERS.map(([status, description, example]) =>
      ApiResponse({ status, description, content: { 'application/json': { schema, example } } }),
    ),
  );
}

/** What is encrypted in a notice. Its fields are WeChat Pay's, which may send more. */
class NoticeResource {
  @ApiProperty({ enum: ['AEAD_AES_256_GCM'] }) algorithm!: string;
  @ApiProperty({ description: 'The payment or the refund, encrypted, in Base64' }) ciphertext!: string;
  @ApiProperty() nonce!: string;
  @ApiPropertyOptional({ example: 'transaction' }) associated_data?: string;
  @ApiPropertyOptional({ example: 'transaction' }) original_type?: string;
}

class WechatNotice {
  @ApiProperty() id!: string;
  @ApiProperty({ format: 'date-time' }) create_time!: string;
  @ApiProperty({ example: 'TRANSACTION.SUCCESS' }) event_type!: string;
  @ApiProperty({ example: 'encrypt-resource' }) resource_type!: string;
  @ApiPropertyOptional() summary?: string;
  @ApiProperty() resource!: NoticeResource;
}

/** WeChat Pay's V3 notice in the document. It is read as bytes, and nothing of it before its signature is proved. */
export function WechatNoticeBody(): MethodDecorator {
  const signed = ['Wechatpay-Signature', 'Wechatpay-Timestamp', 'Wechatpay-Nonce', 'Wechatpay-Serial'];
  return applyDecorators(
    ...signed.map((name) => ApiHeader({ name, required: true, schema: { type: 'string' } })),
    ApiBody({ type: WechatNotice, description: "WeChat Pay's V3 notice, signed and encrypted" }),
  );
}

class MockNotice {
  @ApiProperty({ example: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) payment_id!: string;
  @ApiProperty({ enum: ['SUCCESS', 'FAIL', 'CLOSED'] }) status!: string;
  @ApiPropertyOptional({ description: 'In fen', example: 1800 }) amount?: number;
  @ApiPropertyOptional({ maxLength: 32 }) transaction_id?: string;
}

export function MockNoticeBody(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: 'X-Mock-Signature',
      required: true,
      description: 'Hex HMAC-SHA256 of the raw body with MOCK_CALLBACK_SECRET',
      schema: { type: 'string' },
    }),
    ApiBody({ type: MockNotice }),
  );
}
