// A shop's back end on Paydesk, to be read and copied: its own users, its own order numbers, its own books.
import { randomUUID } from 'node:crypto';
import { fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const { PAYDESK_URL = 'http://127.0.0.1:3000', PAYDESK_API_KEY, PORT = '4000', SHOP_DATA = 'var/shop' } = process.env;
if (!PAYDESK_API_KEY) throw new Error('PAYDESK_API_KEY is not set: npm run cli -- create_api_key --name tea-shop');

/** Prices are the shop's, in fen: a client names the goods and never a price. */
const GOODS = { tea: { name: 'Oolong tea, 100 g', price: 1800 }, cup: { name: 'Tea cup', price: 4999 } };
const CALL_TIMEOUT_MS = 15_000;
const POLL_MS = 1000;
const LONGEST_WAIT_S = 5; // a client of the shop waits meanwhile

/**
 * A file of JSON lines that is only appended to. Each line is a fact under a key, and the first line with a key counts.
 * So after a kill a fact is there or not, never half (half a line is skipped), and of two processes that write the same
 * fact one is first. With a database: a table with a unique key.
 */
class Books {
  sessions = new Map();
  orders = new Map();
  refunds = new Map();
  lastEvent = '';
  #facts = new Map();
  #readTo = 0;
  #file = openSync(`${SHOP_DATA}/books.jsonl`, 'a+');

  /** Writes a fact unless its key is there; answers the fact that counts, once it is on the disk. */
  record(key, fact) {
    this.read();
    // The line break before it ends what a kill may have left.
    if (!this.#facts.has(key)) writeSync(this.#file, `\n${JSON.stringify({ key, ...fact })}\n`);
    fsyncSync(this.#file);
    this.read();
    return this.#facts.get(key);
  }

  /** Takes over the lines that were written since the last time, by other processes too. */
  read() {
    const fresh = Buffer.alloc(fstatSync(this.#file).size - this.#readTo);
    const bytes = fresh.subarray(0, readSync(this.#file, fresh, 0, fresh.length, this.#readTo));
    const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
    this.#readTo += whole.length;
    for (const line of whole.toString().split('\n').filter(Boolean)) {
      try {
        this.#apply(JSON.parse(line));
      } catch (error) {
        console.error(`skipped: ${line} (${error.message})`); // cut short by a kill
      }
    }
  }

  #apply(fact) {
    const { key, openid, order, deliver, refund, event } = fact;
    if (this.#facts.has(key)) return;
    this.#facts.set(key, fact);
    if (openid) this.sessions.set(key, openid);
    if (order) this.orders.set(order.no, { ...this.orders.get(order.no), ...order });
    if (deliver) this.orders.get(deliver).deliveries += 1; // in your shop: the parcel goes on the packing list
    if (refund) this.refunds.set(refund.no, { ...this.refunds.get(refund.no), ...refund });
    if (event) this.lastEvent = event;
  }
}

/** 503: nobody knows whether the request had its effect, and it is to be sent again under the same number. */
const refusal = (status, code, message, retryAfter) => Object.assign(new Error(message), { status, code, retryAfter });

/** What was decided at Paydesk; 502 only as `channel_rejected`. All else passes: a wrong key too, once it is mended. */
const FINAL = [400, 409, 422, 502];
/** Calls Paydesk, up to three times while it is not known what became of the request. @throws a refusal */
async function paydesk(method, path, body) {
  const headers = { authorization: `Bearer ${PAYDESK_API_KEY}`, 'content-type': 'application/json' };
  for (let attempt = 1; ; attempt += 1) {
    const request = { method, headers, body: JSON.stringify(body), signal: AbortSignal.timeout(CALL_TIMEOUT_MS) };
    const answer = await fetch(`${PAYDESK_URL}/api${path}`, request).catch((error) => error);
    const said = answer instanceof Error ? null : await answer.json().catch(() => null);
    if (said && answer.ok) return said;
    const { status, message = `${status} ${said?.code}: ${said?.detail} (${said?.request_id})` } = answer;
    console.error(`${method} ${path}: ${message}`);
    // A time-out and a broken connection have no status; a success that breaks off is no answer either.
    const isFinal = FINAL.includes(status) && (status !== 502 || said?.code === 'channel_rejected');
    if (isFinal) throw refusal(status, said?.code, said?.user_message);
    const wait = Number(answer.headers?.get('retry-after')) || 2 ** (attempt - 1);
    if (attempt === 3 || wait > LONGEST_WAIT_S) throw refusal(503, 'try_again', 'Please try again', wait);
    await sleep(wait * 1000);
  }
}

mkdirSync(SHOP_DATA, { recursive: true });
const books = new Books();
const isName = (text, longest) => typeof text === 'string' && /^[\w-]+$/.test(text) && text.length <= longest;

/** In your shop the client sends the code of `wx.login`, and WeChat's `jscode2session` answers the openid. */
function logIn({ openid }) {
  if (!isName(openid, 128)) throw refusal(400, 'invalid_openid', 'openid is missing or malformed');
  const token = randomUUID();
  books.record(token, { openid });
  return { token };
}

/** Places an order and starts its payment. A client that got no answer sends the same cart again. */
async function placeOrder(openid, { cart, goods, quantity }) {
  const { name, price } = (Object.hasOwn(GOODS, goods) && GOODS[goods]) || {};
  const isPossible = name && Number.isInteger(quantity) && quantity > 0 && quantity < 100 && isName(cart, 40);
  if (!isPossible) throw refusal(400, 'invalid_order', 'cart, goods or quantity is not possible');
  const wanted = { no: `S-${randomUUID()}`, buyer: openid, goods, quantity, price, amount: price * quantity };
  const unpaid = { description: `${name} x ${quantity}`, status: 'unpaid', refunded: 0, deliveries: 0 };
  // Written before Paydesk is called: whatever happens then, the same number is sent again with the same content.
  const { order } = books.record(`cart/${openid}/${cart}`, { order: { ...wanted, ...unpaid } });
  if (order.goods !== goods || order.quantity !== quantity) throw refusal(409, 'cart_changed', 'Use a new cart');
  const { no: external_id, description, amount } = order;
  const body = { external_id, payer: { openid }, description, amount, expires_in: 1800, start: { scene: 'jsapi' } };
  const { pay_params } = await paydesk('POST', '/orders/', body);
  return { order: books.orders.get(order.no), pay_params }; // pay_params null: the order is over
}

/** The buyer sends a part back and gets its price. What would be too much Paydesk refuses, whoever races. */
async function takeBack(order, { request, quantity }) {
  const isPossible = isName(request, 20) && Number.isInteger(quantity) && quantity > 0 && quantity <= order.quantity;
  if (!isPossible) throw refusal(400, 'invalid_return', 'request or quantity is not possible');
  if (order.deliveries === 0) throw refusal(409, 'not_delivered', 'Nothing was delivered yet');
  const no = `${order.no}-${request}`;
  books.record(no, { refund: { no, order: order.no, amount: order.price * quantity, status: 'asking' } });
  await askRefund(books.refunds.get(no)).catch(() => undefined); // it is in the books: `follow` asks again
  return { refund: books.refunds.get(no) };
}

/** Asks for a refund again and again under its number, until an event says that Paydesk has it. */
async function askRefund({ no, order, amount, status }) {
  if (status !== 'asking') return;
  const body = { order_id: books.orders.get(order).paydeskId, external_id: no, amount, approve: true };
  await paydesk('POST', '/refunds/', body).catch((error) => {
    if (!FINAL.includes(error.status)) throw error;
    books.record(`refused/${no}`, { refund: { no, status: 'refused' } });
  });
}

const REFUND_TYPES = 'refund.processing,refund.succeeded,refund.rejected,refund.closed,refund.abnormal';

/** An event and what was done about it are one line: it has its effect once, in whichever process. */
function take({ id, type, data: { order, refund } }) {
  const known = books.orders.get(order.external_id);
  if (!known) console.error(`${id} ${type}: ${order.id} (${order.external_id}) is not in the books: look into it`);
  const { external_id: no, status, refunded_amount: refunded, id: paydeskId } = order;
  const deliver = type === 'order.paid' && known?.deliveries === 0 ? no : undefined;
  const ours = books.refunds.has(refund?.external_id) ? { no: refund.external_id, status: refund.status } : undefined;
  books.record(id, { event: id, order: known && { no, status, refunded, paydeskId }, deliver, refund: ours });
}

/** Never ends: refunds that Paydesk may not know, then the feed from the last event in the books. */
async function follow() {
  for (let wait = 0; ; await sleep(wait)) {
    try {
      books.read();
      const query = `types=order.paid,order.cancelled,${REFUND_TYPES}&limit=100&after=${books.lastEvent}`;
      const { items, next_cursor } = await paydesk('GET', `/events/?${query}`);
      for (const event of items) take(event);
      for (const refund of books.refunds.values()) await askRefund(refund);
      wait = next_cursor ? 0 : POLL_MS;
    } catch (error) {
      if (!error.status) console.error(error);
      wait = Math.max(POLL_MS, (error.retryAfter ?? 0) * 1000);
    }
  }
}

async function respond({ method, url, headers }, body) {
  if (`${method} ${url}` === 'POST /login') return logIn(body);
  books.read();
  const openid = books.sessions.get(headers.authorization?.replace('Bearer ', ''));
  if (!openid) throw refusal(401, 'log_in', 'Please log in');
  if (`${method} ${url}` === 'POST /orders') return placeOrder(openid, body);
  const [, no, returns] = /^\/orders\/([\w-]+)(\/returns)?$/.exec(url) ?? [];
  const order = books.orders.get(no);
  if (order?.buyer !== openid) throw refusal(404, 'not_found', 'Not found');
  if (returns) return takeBack(order, body);
  return { order, refunds: [...books.refunds.values()].filter((refund) => refund.order === no) };
}

createServer(async (request, reply) => {
  const headers = { 'content-type': 'application/json' };
  try {
    const body = request.method === 'POST' ? await json(request).catch(() => null) : null; // null: no JSON
    const content = await respond(request, body ?? {});
    reply.writeHead(200, headers).end(JSON.stringify(content));
  } catch (error) {
    const { status, code, message, retryAfter } = error.status ? error : refusal(500, 'internal_error', 'Our fault');
    if (!error.status) console.error(error);
    if (retryAfter) headers['retry-after'] = retryAfter;
    reply.writeHead(status, headers).end(JSON.stringify({ code, message }));
  }
}).listen(Number(PORT), '127.0.0.1', function () {
  console.log(`The shop is at http://127.0.0.1:${this.address().port}`);
});
await follow();
