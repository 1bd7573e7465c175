import { type BillText, remarkText } from './bill-text.js';
import { type Flow } from './books.js';
import { billTime } from './clock.js';
import { sumYuan, yuan } from './yuan.js';

const COLUMNS: readonly (readonly [name: string, value: (flow: Flow) => string])[] = [
  ['记账时间', (flow) => billTime(flow.at)],
  ['微信支付业务单号', (flow) => flow.businessNo],
  ['资金流水单号', (flow) => flow.flowNo],
  ['业务名称', (flow) => flow.name],
  ['业务类型', (flow) => flow.type],
  ['收支类型', (flow) => (flow.income ? '收入' : '支出')],
  ['收支金额(元)', (flow) => yuan(flow.fen)],
  ['账户结余(元)', (flow) => yuan(flow.balanceFen)],
  ['资金变更提交申请人', (flow) => flow.applicant],
  ['备注', (flow) => remarkText(flow.remark)],
  ['业务凭证号', (flow) => flow.voucher],
];

/** The fund-flow bill over these movements (manual, page 4013071249). */
export function fundBill(flows: () => Iterable<Flow>): BillText {
  let income = { count: 0, fen: 0 };
  let expense = { count: 0, fen: 0 };
  function* lines(): Generator<string[]> {
    income = { count: 0, fen: 0 };
    expense = { count: 0, fen: 0 };
    for (const flow of flows()) {
      const side = flow.income ? income : expense;
      side.count += 1;
      side.fen += flow.fen;
      yield COLUMNS.map(([, value]) => value(flow));
    }
  }
  return {
    header: COLUMNS.map(([name]) => name),
    lines,
    summaryHeader: ['资金流水总笔数', '收入笔数', '收入金额', '支出笔数', '支出金额'],
    summary: () => [
      `${income.count + expense.count}.0`,
      `${income.count}.0`,
      sumYuan(income.fen),
      `${expense.count}.0`,
      sumYuan(expense.fen),
    ],
  };
}
