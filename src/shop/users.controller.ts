import { Body, Controller, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Caller, CurrentUser, Roles, Scope } from '../auth/public.js';
import { ExternalId } from '../http/external-id.validator.js';
import { Idempotent } from '../http/idempotency.interceptor.js';
import { Problems } from '../http/openapi.js';
import { Appid, Openid } from './openid.validator.js';
import { type ShopUser, ShopUsers } from './shop-users.js';

export class UserBody {
  @Openid()
  openid!: string;

  @Appid()
  appid?: string;

  @ExternalId("The service's own number of the user, unique for it")
  external_id?: string;
}

export class UserView {
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' }) openid!: string;
  @ApiProperty({ example: 'wx8888888888888888' }) appid!: string;
  @ApiProperty({ type: String, nullable: true }) external_id!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static of({ user, externalId }: ShopUser): UserView {
    const { id, openid, appid, createdAt } = user;
    return { id, openid, appid, external_id: externalId, created_at: createdAt.toISOString() };
  }
}

@ApiTags('users')
@ApiBearerAuth()
@Controller('api/users')
export class UsersController {
  constructor(private readonly users: ShopUsers) {}

  @Post()
  @Scope('orders')
  @Roles('service')
  @Idempotent()
  @ApiOperation({
    summary: 'Hand in a user whom the shop logged in itself',
    description: 'The same openid again answers the same user, who may also log in here.',
  })
  @ApiCreatedResponse({ type: UserView, description: 'A new user' })
  @ApiOkResponse({ type: UserView, description: 'The user who has this openid already' })
  @Problems(
    'invalid_request',
    'unauthenticated',
    'forbidden',
    'external_id_conflict',
    'idempotency_in_progress',
    'idempotency_key_reused',
    'provider_disabled',
    'service_unavailable',
  )
  async create(
    @CurrentUser() caller: Caller,
    @Body() body: UserBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    const known = await this.users.save(caller.id, body.openid, body.appid, body.external_id);
    reply.status(known.created ? 201 : 200);
    return UserView.of(known);
  }
}
