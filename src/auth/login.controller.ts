import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { DomainError } from '../common/errors.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { Problems } from '../http/openapi.js';
import { InPool } from '../http/pool.js';
import { LoginChannel } from '../provider/login-channel.js';
import { LoginLimit } from './login-limit.js';
import { Public } from './public.js';
import { TokensService } from './tokens.service.js';
import { UsersService } from './users.service.js';

export class LoginBody {
  @ApiProperty({
    description: 'The code from `wx.login`. Mock provider: any 1 to 64 letters, digits, `_` or `-`',
    example: 'alice',
  })
  @IsString()
  @Length(1, 256)
  code!: string;
}

class LoginUser {
  @ApiProperty({ example: 'usr_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'mock_alice' }) openid!: string;
}

export class LoginView {
  @ApiProperty() access_token!: string;
  @ApiProperty({ enum: ['Bearer'] }) token_type!: 'Bearer';
  @ApiProperty({ description: 'Seconds', example: 7200 }) expires_in!: number;
  @ApiProperty() user!: LoginUser;
}

@ApiTags('login')
@Controller('api/auth')
export class LoginController {
  constructor(
    private readonly channel: LoginChannel,
    private readonly users: UsersService,
    private readonly tokens: TokensService,
    private readonly limit: LoginLimit,
    private readonly addresses: ClientAddresses,
  ) {}

  @Post('login')
  @InPool('channel')
  @HttpCode(200)
  @Public()
  @ApiOperation({ operationId: 'login', summary: 'Log in with the code of `wx.login`' })
  @ApiOkResponse({ type: LoginView })
  @Problems(
    'invalid_request',
    'login_failed',
    'not_found',
    'login_not_configured',
    'too_many_requests',
    'channel_rejected',
    'channel_unavailable',
  )
  async login(@Body() body: LoginBody, @Req() request: FastifyRequest): Promise<LoginView> {
    const openid = await this.openidOf(body.code, this.addresses.of(request));
    const { user } = await this.users.byOpenid(this.channel.appid, openid);
    const { token, expiresIn } = await this.tokens.issue({ id: user.id, role: 'user' });
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresIn,
      user: { id: user.id, openid: user.openid },
    };
  }

  private async openidOf(code: string, address: string): Promise<string> {
    this.limit.assertAllowed(address);
    try {
      return await this.channel.openidOf(code);
    } catch (error) {
      // What is our own failure, or the channel's, is not the caller's.
      if (error instanceof DomainError && error.status < 500) await this.limit.noteFailure(address);
      throw error;
    }
  }
}
