import { PLENTY_FEN } from '../../dev/open-simulator.js';
import type { Answer } from '../api.js';
import { type Books, channelOf } from '../books.js';
import { candidates, pick } from './choose.js';
import { lateRefundOf, type Model } from './model.js';
import type { SingleStep, StepAbout, StepAlone } from './steps.js';
import type { Troubles } from './troubles.js';
import { payerId, type Process, type Who, type World } from './world.js';

/** What became of a step. */
export interface Done {
  step: SingleStep;
  /** `nothing`: there was nothing that it could happen to. */
  outcome: 'done' | 'refused' | 'nothing';
  /** The order, payment, refund or notice that it happened to. */
  subject: string | null;
  /** What the service answered, if it was asked. */
  answer: Answer | null;
}

/** Lets steps happen, and writes down in the model what is known from them. */
export class Performer {
  constructor(
    private readonly world: World,
    private readonly troubles: Troubles,
    private readonly model: Model,
    /** As they were before. */
    private readonly books: Books,
  ) {}

  async perform(step: SingleStep): Promise<Done> {
    if (!('of' in step)) return { step, outcome: 'done', subject: null, answer: (await this.alone(step)) ?? null };
    const id = pick(candidates(step, this.books), step.of);
    return id === undefined ? { step, outcome: 'nothing', subject: null, answer: null } : this.about(step, id);
  }

  /** What is about nothing that is there already. Answers what the service answered, if it was asked. */
  private async alone(step: StepAlone): Promise<Answer | void> {
    const { world, troubles } = this;
    switch (step.do) {
      case 'order': {
        const order = { user_id: payerId(step.who), description: 'Two cups of tea', amount: step.fen };
        const answer = await world.call(0, 'shop', '/orders/', order);
        world.own(String(answer.body.id), step.who);
        return answer;
      }
      case 'forge':
        return world.forge(step.by, step.noun, ...forged(step.kind, this.books));
      case 'fault':
        return troubles.arm(step.rule);
      case 'account':
        return void (await world.sim.faults({ balance_fen: step.empty ? 0 : PLENTY_FEN }));
      case 'keys':
        return world.changeKeys(step.change);
      case 'tick':
        return world.tick(step.by);
      case 'reconcile':
      case 'expire':
        return world.reconcile(step.by, step.do === 'expire');
      case 'bills':
        return void (await world.bills(step.by));
      case 'restart':
        return world.restart(step.by);
      case 'wait':
        return world.advance(step.seconds);
    }
  }

  private async about(step: StepAbout, id: string): Promise<Done> {
    const { world, troubles, model } = this;
    const owner = world.ownerOf(this.books.payments.get(id)?.order_id ?? id);
    const ask = async (by: Process, who: Who, path: string, body?: object): Promise<Done> => {
      const answer = await world.call(by, who, path, body);
      return { step, outcome: answer.status < 300 ? 'done' : 'refused', subject: id, answer };
    };
    const done: Done = { step, outcome: 'done', subject: id, answer: null };
    switch (step.do) {
      case 'open':
        return ask(step.by, owner, '/payments/', { order_id: id });
      case 'start':
      case 'cancel':
      case 'sync':
        return ask(step.by, owner, `/payments/${id}/${step.do}/`);
      case 'ask':
        return this.askForRefund(step, id, step.who === 'payer' ? owner : 'shop');
      case 'carry':
        // Before the answer: whatever becomes of the call, it was allowed.
        model.approved.add(id);
        return ask(step.by, 'operator', `/refunds/${id}/succeed/`);
      case 'reject':
        return ask(step.by, 'operator', `/refunds/${id}/reject/`, { reason: 'not sent back' });
      case 'sync_refund':
        return ask(step.by, 'operator', `/refunds/${id}/sync/`);
      case 'retry_abnormal':
        return ask(step.by, 'operator', `/refunds/${id}/retry-abnormal/`, { to: 'merchant_card' });
      case 'resend':
        world.sim.resend(id);
        await world.sim.settled();
        return done;
      case 'lie':
        model.lied.add(id);
        await troubles.arm(
          { at: 'payment_notice', do: 'wrong_amount', match: id },
          { at: 'query', do: 'wrong_amount', match: id },
        );
        return done;
      case 'deaf':
        // The service is told that it is closed, which is not so: a payer with the payment sheet open can still pay.
        model.deaf.add(id);
        await troubles.arm({ at: 'close', do: 'error', status: 404, code: 'ORDER_NOT_EXIST', match: id, times: 1 });
        return done;
      case 'take_over': {
        const paymentId = this.books.channel.refunds.find((one) => one.out_refund_no === id)?.out_trade_no ?? '';
        return ask(step.by, 'operator', `/admin/payments/${paymentId}/refunds/sync/`, { out_refund_no: id });
      }
      case 'console':
      case 'pay':
      case 'pay_fails':
      case 'refund_ends':
        return { ...done, outcome: this.atChannel(step, id) ? 'done' : 'refused' };
    }
  }

  private async askForRefund(step: StepAbout & { do: 'ask' }, id: string, who: Who): Promise<Done> {
    const { amount = 0, reserved = 0 } = this.books.payments.get(id) ?? {};
    const part = partOf(amount - reserved, step.part);
    const body = { payment_id: id, ...(step.part > 0 && { amount: part }) };
    const answer = await this.world.call(step.by, who, '/refunds/', body);
    const made = answer.status === 201;
    if (made) this.model.asked.set(String(answer.body.id), { paymentId: id, fen: Number(answer.body.amount) });
    return { step, outcome: made ? 'done' : 'refused', subject: id, answer };
  }

  /** What the payer or the channel does. False when the payment sheet or the channel does not allow it. */
  private atChannel(step: StepAbout & { do: 'console' | 'pay' | 'pay_fails' | 'refund_ends' }, id: string): boolean {
    const { sim } = this.world;
    const amount = this.books.payments.get(id)?.amount ?? 0;
    try {
      if (step.do === 'refund_ends') sim.settleRefund(id, step.as);
      else if (step.do === 'pay_fails') sim.fail(id);
      else if (step.do === 'console') return this.inConsole(step, id);
      else {
        sim.pay(id, step.coupon && amount > 1 ? { coupon_fen: 1 } : {});
        this.model.taken.set(id, amount);
      }
      return true;
    } catch (error) {
      if ((error as Error).name !== 'ApiError') throw error;
      return false;
    }
  }

  /** A clerk gives back what is left at the channel, or a part of it. Money that the channel lies about is left alone. */
  private inConsole(step: StepAbout & { do: 'console' }, id: string): boolean {
    const { sim } = this.world;
    const there = channelOf(this.books, id);
    if (!there || this.model.lied.has(id)) return false;
    const amount = partOf(there.total - there.refunded, step.part);
    const { out_refund_no: number } = sim.refundInConsole(id, { amount });
    this.model.console.set(number, { paymentId: id, fen: amount });
    return true;
  }
}

/** Tenths of what is left, at least a fen; 0: all of it. */
export function partOf(leftFen: number, tenths: number): number {
  return tenths === 0 ? leftFen : Math.max(1, Math.ceil((leftFen * tenths) / 10));
}

/** A notice made without a key: about a payment that is there, in the right form, without a right signature. */
function forged(kind: 'unsigned' | 'stranger' | 'noise', books: Books): [Record<string, string>, string] {
  const number = [...books.payments.keys()].at(-1) ?? lateRefundOf('pay_01JD8Q5Z6T8RZ1M0V4N9X2K7CB');
  const body = JSON.stringify({
    id: 'e1f2',
    event_type: 'TRANSACTION.SUCCESS',
    resource_type: 'encrypt-resource',
    resource: {
      algorithm: 'AEAD_AES_256_GCM',
      nonce: '123456789012',
      associated_data: 'transaction',
      ciphertext: number,
    },
  });
  if (kind === 'noise') return [{ 'content-type': 'text/plain' }, `${number}\u0000 not JSON`];
  if (kind === 'unsigned') return [{ 'content-type': 'application/json' }, body];
  return [
    {
      'content-type': 'application/json',
      'wechatpay-timestamp': String(Math.floor(books.now / 1000)),
      'wechatpay-nonce': 'abcdefgh',
      'wechatpay-serial': 'PUB_KEY_ID_0000000000000000000000000000000001',
      'wechatpay-signature': Buffer.alloc(256, 7).toString('base64'),
    },
    body,
  ];
}
