import { ApiProperty } from '@nestjs/swagger';
import { RUN_STATUSES } from '../reconciliation/reconciliation-runs.js';

class SumsView {
  @ApiProperty({ example: 12 }) count!: number;
  @ApiProperty({ description: 'In fen' }) fen!: number;
}

class BothSidesView {
  @ApiProperty({ description: 'By our rows' }) here!: SumsView;
  @ApiProperty({ description: 'By the bill, without other shops' }) there!: SumsView;
}

class ForeignView {
  @ApiProperty() payments!: SumsView;
  @ApiProperty() refunds!: SumsView;
  @ApiProperty({ description: 'Lines of other AppIDs that cannot be read' }) unreadable!: number;
}

class TotalsView {
  @ApiProperty({ description: 'False only where lines cannot be read: otherwise the bill is refused' }) agree!: boolean;
  @ApiProperty({
    type: 'array',
    description: 'In thousandths of a fen: what the bill says, and what its readable lines add up to',
    items: {
      type: 'object',
      properties: {
        name: { type: 'string' },
        said_milli_fen: { type: 'number' },
        read_milli_fen: { type: 'number' },
      },
    },
  })
  differ!: object[];
}

class RunSummaryView {
  @ApiProperty({ description: 'Lines of the day in the trade bill, all of them' }) lines!: number;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'Lines of other days in the same file, by day; counted and not read',
    example: { '2026-11-21': 3 },
  })
  other_days!: Record<string, number>;
  @ApiProperty() totals!: TotalsView;
  @ApiProperty({ description: 'Lines of other shops on the same merchant number: no differences' })
  foreign!: ForeignView;
  @ApiProperty() payments!: BothSidesView;
  @ApiProperty() refunds!: BothSidesView;
  @ApiProperty({ description: 'Differences that a query did away with' }) healed!: number;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'What remains, by type',
    example: { missing_there: 1, unreadable_line: 2 },
  })
  differences!: Record<string, number>;
}

/** A comparison with a day's bill, as operators see it; further fields may come. */
export class RunView {
  @ApiProperty({ example: 'run_01JD8Q5Z6T8RZ1M0V4N9X2K7CB' }) id!: string;
  @ApiProperty({ format: 'date', description: 'In China time' }) day!: string;
  @ApiProperty({ enum: ['daily', 'manual', 'file'] }) kind!: string;
  @ApiProperty({ enum: RUN_STATUSES }) status!: string;
  @ApiProperty() attempts!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: 'string', format: 'date-time', nullable: true }) finished_at!: string | null;
  @ApiProperty({ type: 'string', nullable: true }) error_code!: string | null;
  @ApiProperty({ type: RunSummaryView, nullable: true, description: 'Null until it is done' })
  summary!: RunSummaryView | null;
}
