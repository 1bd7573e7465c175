import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentUser, ownerId, OwnRowsOnly, Scope } from '../auth/public.js';
import { pageQuery } from '../database/page.js';
import { ListQuery } from '../http/list-query.dto.js';
import { Problems } from '../http/openapi.js';
import { NotificationRow, NotificationsService } from './notifications.service.js';

export class NotificationView {
  @ApiProperty({ example: 'ntf_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ example: 'payment.succeeded' }) type!: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { payment_id: 'pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', amount: 1800 },
  })
  data!: Record<string, unknown>;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) read_at!: string | null;

  static of(row: NotificationRow): NotificationView {
    const { id, type, data } = row;
    return { id, type, data, created_at: row.created_at.toISOString(), read_at: row.read_at?.toISOString() ?? null };
  }
}

export class NotificationPage {
  @ApiProperty({ type: [NotificationView] }) items!: NotificationView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

@ApiTags('notifications')
@ApiBearerAuth()
@Scope('read')
@Controller('api/notifications')
export class NotificationsController {
  constructor(private readonly notifications: NotificationsService) {}

  @Get()
  @ApiOperation({ summary: "The caller's own notifications, newest first" })
  @ApiOkResponse({ type: NotificationPage })
  @Problems('invalid_request', 'invalid_cursor', 'unauthenticated', 'forbidden')
  async list(@CurrentUser() caller: Caller, @Query() query: ListQuery): Promise<NotificationPage> {
    const page = await this.notifications.list(ownerId(caller), pageQuery(query.limit, query.cursor));
    return { items: page.items.map((row) => NotificationView.of(row)), next_cursor: page.next_cursor };
  }

  @Post(':id/read')
  @HttpCode(200)
  @OwnRowsOnly()
  @ApiOperation({ operationId: 'markNotificationRead', summary: 'Mark one as read; again is no error' })
  @ApiOkResponse({ type: NotificationView })
  @Problems('unauthenticated', 'forbidden', 'not_found')
  async read(@CurrentUser() caller: Caller, @Param('id') id: string): Promise<NotificationView> {
    return NotificationView.of(await this.notifications.read(id, ownerId(caller)));
  }
}
