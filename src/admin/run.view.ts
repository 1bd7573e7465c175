import { ApiProperty } from '@nestjs/swagger';
import { DISCREPANCY_TYPES } from '../discrepancies/discrepancies.service.js';
import { RUN_STATUSES } from '../reconciliation/reconciliation-runs.js';

const SIDE = { type: 'object', additionalProperties: true, nullable: true } as const;

class BillSumsView {
  @ApiProperty({ example: 12 }) count!: number;
  @ApiProperty({ description: 'In fen' }) fen!: number;
}

class BillSidesView {
  @ApiProperty({ description: 'By our rows' }) here!: BillSumsView;
  @ApiProperty({ description: 'By the bill, without other shops' }) there!: BillSumsView;
}

class BillForeignView {
  @ApiProperty() payments!: BillSumsView;
  @ApiProperty() refunds!: BillSumsView;
  @ApiProperty({ description: 'Lines of other AppIDs that cannot be read' }) unreadable!: number;
}

class BillTotalView {
  @ApiProperty() name!: string;
  @ApiProperty() said_milli_fen!: number;
  @ApiProperty() read_milli_fen!: number;
}

class BillTotalsView {
  @ApiProperty({ description: 'False only where lines cannot be read: otherwise the bill is refused' }) agree!: boolean;
  @ApiProperty({
    type: [BillTotalView],
    description: 'In thousandths of a fen: what the bill says, and what its readable lines add up to',
  })
  differ!: BillTotalView[];
}

class BillCoverageView {
  @ApiProperty() payments!: boolean;
  @ApiProperty() refunds!: boolean;
}

class DifferenceView {
  @ApiProperty({ enum: DISCREPANCY_TYPES, enumName: 'CaseType' }) type!: string;
  @ApiProperty({
    enum: ['payment', 'refund', 'line'],
    enumName: 'DifferenceEntity',
    description: '`line`: one that cannot be read',
  })
  entity!: string;
  @ApiProperty({ description: '`out_trade_no` or `out_refund_no`; of a line a digest of its text' }) number!: string;
  @ApiProperty({ description: 'Whether we have a row of this number' }) known!: boolean;
  @ApiProperty({ ...SIDE, description: 'What we say; amounts in fen' }) here!: Record<string, unknown> | null;
  @ApiProperty({ ...SIDE, description: 'What the bill says' }) there!: Record<string, unknown> | null;
}

class RunSummaryView {
  @ApiProperty({ format: 'date', description: 'In China time' }) day!: string;
  @ApiProperty({ type: String, nullable: true, description: 'The run itself' }) run_id!: string | null;
  @ApiProperty({ description: 'What the bill says anything about: a file may have payments or refunds alone' })
  covers!: BillCoverageView;
  @ApiProperty({ description: 'Fees of the day in thousandths of a fen' }) fee_milli_fen!: number;
  @ApiProperty({ description: 'Lines of the day in the trade bill, all of them' }) lines!: number;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'Lines of other days in the same file, by day; counted and not read',
    example: { '2026-11-21': 3 },
  })
  other_days!: Record<string, number>;
  @ApiProperty() totals!: BillTotalsView;
  @ApiProperty({ description: 'Lines of other shops on the same merchant number: no differences' })
  foreign!: BillForeignView;
  @ApiProperty() payments!: BillSidesView;
  @ApiProperty() refunds!: BillSidesView;
  @ApiProperty({ description: 'Differences that a query did away with' }) healed!: number;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'What remains, by type',
    example: { missing_there: 1, unreadable_line: 2 },
  })
  differences!: Record<string, number>;
  @ApiProperty({ type: [DifferenceView], description: 'The first hundred of them' }) examples!: DifferenceView[];
}

/** A comparison with a day's bill, as operators see it; further fields may come. */
export class RunView {
  @ApiProperty({ example: 'run_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ format: 'date', description: 'In China time' }) day!: string;
  @ApiProperty({ enum: ['daily', 'manual', 'file'], enumName: 'RunKind' }) kind!: string;
  @ApiProperty({ enum: RUN_STATUSES, enumName: 'RunStatus' }) status!: string;
  @ApiProperty() attempts!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) finished_at!: string | null;
  @ApiProperty({ format: 'date-time', description: 'When it is tried next, unless it is through' })
  next_attempt_at!: string;
  @ApiProperty({ type: String, nullable: true }) error_code!: string | null;
  @ApiProperty({ type: RunSummaryView, nullable: true, description: 'Null until it is done' })
  summary!: RunSummaryView | null;
}
