import { type BillTicket } from './bill-office.js';
import { DOWNLOAD_QUERY, FUND_BILL_QUERY, TRADE_BILL_QUERY } from './forms.js';
import { type Call, ok, readQuery, type Reply, type Route } from './router.js';
import { type Simulation } from './simulation.js';
import { type BillType } from './trade-bill.js';

interface BillQuery {
  bill_date: string;
  bill_type?: BillType;
  account_type?: string;
  tar_type?: 'GZIP';
}

/** Bills: applied for first, then downloaded from the address the answer names. */
export function billRoutes(sim: Simulation): Route[] {
  return [
    { method: 'GET', path: '/v3/bill/tradebill', point: 'tradebill', handle: (call) => tradeBill(sim, call) },
    { method: 'GET', path: '/v3/bill/fundflowbill', point: 'fundflowbill', handle: (call) => fundBill(sim, call) },
    {
      method: 'GET',
      path: '/v3/billdownload/file',
      point: 'download',
      unsigned: true,
      handle: (call) => download(sim, call),
    },
  ];
}

async function tradeBill(sim: Simulation, call: Call): Promise<Reply> {
  sim.meter.count('tradebill_per_minute');
  const query = readQuery<BillQuery>(TRADE_BILL_QUERY, call.query);
  const gzip = query.tar_type === 'GZIP';
  return ticket(call, await sim.bills.trade(query.bill_date, query.bill_type ?? 'ALL', gzip), gzip);
}

async function fundBill(sim: Simulation, call: Call): Promise<Reply> {
  sim.meter.count('fundflowbill_per_second');
  const query = readQuery<BillQuery>(FUND_BILL_QUERY, call.query);
  const gzip = query.tar_type === 'GZIP';
  return ticket(call, await sim.bills.fundFlow(query.bill_date, query.account_type ?? 'BASIC', gzip), gzip);
}

/** The live service names its own host; the simulator names the one it was called by. */
function ticket(call: Call, { token, hash }: BillTicket, gzip: boolean): Reply {
  const base = `http://${call.headers.host ?? '127.0.0.1'}`;
  return ok({
    hash_type: 'SHA1',
    hash_value: hash,
    download_url: `${base}/v3/billdownload/file?token=${token}${gzip ? '&tartype=gzip' : ''}`,
  });
}

function download(sim: Simulation, call: Call): Reply {
  const { token } = readQuery<{ token: string }>(DOWNLOAD_QUERY, call.query);
  const { bytes, gzip } = sim.bills.open(token);
  return { status: 200, raw: { type: gzip ? 'application/x-gzip' : 'text/plain; charset=utf-8', bytes } };
}
