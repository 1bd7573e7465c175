import { ApiProperty } from '@nestjs/swagger';
import { CASE_ACTIONS, DISCREPANCY_STATUSES, DISCREPANCY_TYPES } from '../discrepancies/discrepancies.service.js';

/** A case as operators see it. */
export class CaseView {
  @ApiProperty({ example: 'dis_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ enum: DISCREPANCY_TYPES, enumName: 'CaseType' }) type!: string;
  @ApiProperty({ enum: DISCREPANCY_STATUSES, enumName: 'CaseStatus' }) status!: string;
  @ApiProperty({ type: String, nullable: true }) payment_id!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'The refund that the case is about' })
  refund_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) out_trade_no!: string | null;
  @ApiProperty({ type: String, nullable: true }) out_refund_no!: string | null;
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'Facts for the person who looks into it' })
  detail!: Record<string, unknown>;
  @ApiProperty({ format: 'date-time' }) opened_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) resolved_at!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'An operator, a command, or `paydesk`' })
  resolved_by!: string | null;
  @ApiProperty({ type: String, nullable: true }) note!: string | null;
  @ApiProperty({
    enum: CASE_ACTIONS,
    enumName: 'CaseAction',
    nullable: true,
    description: 'What was done; null: see the note',
  })
  action!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'The refund that the action `refund` made' })
  action_refund_id!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'The reconciliation run that found it' })
  run_id!: string | null;
}
