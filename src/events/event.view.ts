import { ApiHideProperty, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, MaxLength, type ValidationArguments } from 'class-validator';
import { LimitQuery } from '../http/list-query.dto.js';
import type { EventRow } from './event-feed.js';
import { EVENT_TYPES, type EventData, type EventType } from './event-types.js';

/** Names the types that there are not, each once. */
function unknownTypes({ property, value }: ValidationArguments): string {
  const unknown = (value as unknown[]).filter((type) => !EVENT_TYPES.includes(type as EventType));
  return `${property} names what is no type of event: ${unknown.map((type) => JSON.stringify(type)).join(', ')}`;
}

/** A comma list as a list, each once. */
function asList({ value }: { value: unknown }): unknown {
  if (typeof value !== 'string' && !Array.isArray(value)) return value;
  return [...new Set([value].flat().flatMap((text: unknown) => (typeof text === 'string' ? text.split(',') : [text])))];
}

export class EventsQuery extends LimitQuery {
  @ApiPropertyOptional({
    description: 'The id of the last event that was processed. Omitted: from the beginning',
    example: 'evt_01JD8Q5Z6T8RZ1M0V4N9X2K7CB',
  })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  after?: string;

  // Documented on the route: how a list is written is said of a parameter, not of a property.
  @ApiHideProperty()
  @IsOptional()
  @Transform(asList)
  @IsIn(EVENT_TYPES, { each: true, message: unknownTypes })
  types?: EventType[];
}

// By their names: these views belong to folders that write events, and so know this one.
const ref = (view: string): { allOf: { $ref: string }[] } => ({ allOf: [{ $ref: getSchemaPath(view) }] });

class EventDataView implements EventData {
  @ApiProperty(ref('OrderView')) order!: { id: string };
  @ApiPropertyOptional(ref('PaymentView')) payment?: { id: string };
  @ApiPropertyOptional(ref('RefundView')) refund?: { id: string };
}

export class EventView {
  @ApiProperty({ example: 'evt_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ enum: EVENT_TYPES, enumName: 'EventType' }) type!: EventType;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T08:00:00.000Z' }) created_at!: string;
  @ApiProperty({ description: 'The order, payment and refund concerned, as they were at this event' })
  data!: EventDataView;

  static of({ id, type, created_at, data }: EventRow): EventView {
    return { id, type, created_at: created_at.toISOString(), data };
  }
}

export class EventPage {
  @ApiProperty({ type: [EventView] }) items!: EventView[];
  @ApiProperty({ type: String, nullable: true, description: 'The id of the last item if there are more, for `after`' })
  next_cursor!: string | null;
}
