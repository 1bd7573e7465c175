// `npm run docs:errors`: makes docs/errors.md and docs/errors.zh-CN.md from the table of errors. With `--check` it writes
// nothing and ends with 1 if a page is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { DomainError, type ErrorAction, type ErrorCode, ERRORS } from '../src/common/errors.js';
import { type Language, LANGUAGES, USER_MESSAGES } from '../src/common/user-messages.js';
import { toProblem } from '../src/http/problem.js';

/** From `dist/dev`. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES: Readonly<Record<Language, string>> = { en: 'docs/errors.md', zh: 'docs/errors.zh-CN.md' };

/** What a client does. */
const ACTIONS: Readonly<Record<ErrorAction, Readonly<Record<Language, string>>>> = {
  ask_channel: {
    en: 'Query the payment provider with `/sync/` instead: it can still say what became of it.',
    zh: '改用 `/sync/` 查询：支付渠道仍能给出结果。',
  },
  ask_operator: {
    en: 'Repeating does not help. Tell whoever runs Paydesk, with the `request_id`.',
    zh: '重试无用。请把 `request_id` 告知 Paydesk 的运维人员。',
  },
  authenticate: {
    en: 'Get a new token, or check the key, then repeat the request with the same `Idempotency-Key`.',
    zh: '获取新令牌或检查密钥，然后用相同的 `Idempotency-Key` 重发请求。',
  },
  check_id: {
    en: "Check the path and the id. Somebody else's is answered like one that does not exist.",
    zh: '检查路径和编号。他人的资源与不存在的资源回答相同。',
  },
  fix_request: {
    en: 'Correct the request (`errors` names the fields, `detail` says why). The same request is refused again.',
    zh: '修正请求（`errors` 列出字段，`detail` 说明原因）。同样的请求会再次被拒绝。',
  },
  list_anew: {
    en: 'Begin the list again without `cursor`.',
    zh: '去掉 `cursor`，从头读取列表。',
  },
  log_in_again: {
    en: 'Call `wx.login` for a new code and log in with it: a code is good once, for five minutes.',
    zh: '重新调用 `wx.login` 取得新的 code 再登录：code 只能用一次，五分钟内有效。',
  },
  log_payer_in: {
    en: 'Let the payer log in inside WeChat first, so that the openid is known, then repeat the request.',
    zh: '先让付款人在微信内登录，以取得 openid，然后重发请求。',
  },
  order_again: {
    en: 'Read the order: it may have been paid at the last moment. If not, place a new one.',
    zh: '先查询订单：它可能在最后一刻已付款。若没有，请重新下单。',
  },
  pay_anew: {
    en: 'Read the order: it may have been paid at the last moment. If it is `pending`, create a new payment for it.',
    zh: '先查询订单：它可能在最后一刻已付款。若仍为 `pending`，请为它创建新的支付。',
  },
  read_case: {
    en: 'Read the case: it says by whom and how it was resolved.',
    zh: '查询该差异：其中写明由谁、如何处理。',
  },
  read_order: {
    en: 'Read the order: its `status` says what is possible. The same request is refused again.',
    zh: '查询订单：`status` 说明可以做什么。同样的请求会再次被拒绝。',
  },
  read_payment: {
    en: 'Read the payment: `status`, `amount` and `refunded_amount` say what is possible.',
    zh: '查询支付：`status`、`amount`、`refunded_amount` 说明可以做什么。',
  },
  read_refund: {
    en: 'Read the refund: its `status` says what became of it.',
    zh: '查询退款：`status` 说明其结果。',
  },
  refund_otherwise: {
    en: 'Pay the money back outside WeChat Pay.',
    zh: '请在微信支付之外退还款项。',
  },
  repeat: {
    en: 'Send the same request again with the same `Idempotency-Key`, after `Retry-After` seconds or 1, 2, 4, … s. Without a key read first whether it had an effect.',
    zh: '等待 `Retry-After` 秒，或 1、2、4…… 秒后，用相同的 `Idempotency-Key` 重发同一请求。没有该键时，先查询它是否已生效。',
  },
  use_new_external_id: {
    en: 'This number belongs to an earlier request with another body: read that order or refund by `external_id`, or use a new number.',
    zh: '该编号属于先前内容不同的请求：按 `external_id` 查询原订单或退款，或换用新编号。',
  },
  use_new_key: {
    en: 'Use a new `Idempotency-Key` for another request; a repeat has the same path and the same body.',
    zh: '不同的请求要用新的 `Idempotency-Key`；重发时路径和内容必须相同。',
  },
  use_other_role: {
    en: 'Use a token or a key with the role that the route asks for.',
    zh: '使用具有该接口所需角色的令牌或密钥。',
  },
  wait_for_bill: {
    en: 'Ask again on the next day, China time.',
    zh: '请在次日（北京时间）再试。',
  },
};

const TEXTS = {
  en: {
    head: `# Errors

[中文](errors.zh-CN.md)

Every refusal of the API is RFC 9457 \`application/problem+json\`. Branch on \`code\`: it is stable, while \`title\` and \`detail\`
are English texts for developers and may change. \`user_message\` may be shown to a payer. It is in Chinese or English, as
\`Accept-Language\` prefers: Chinese without that header, English where it names only other languages. \`Content-Language\` says
which one it is. Callbacks of WeChat Pay are answered in WeChat Pay's own form instead.`,
    codes: 'Codes',
    columns: ['code', 'status', 'title', '`user_message`', 'what the client does'],
    unsure: `## When it is not known what happened

A time-out, a broken connection, 500, 502, 503 and 504 do not say that nothing happened. Send the same request again with the
same \`Idempotency-Key\`: it has its effect at most once. Never take a payment or a refund for failed because a request
failed: read it, and let a payer pay again only when its \`status\` says so.`,
  },
  zh: {
    head: `# 错误

[English](errors.md)

API 的每次拒绝都是 RFC 9457 的 \`application/problem+json\`。程序请按 \`code\` 判断：它是稳定的；\`title\` 和 \`detail\` 是给开发者看的英文说明，
可能变化。\`user_message\` 可以展示给付款人，按 \`Accept-Language\` 用中文或英文：没有该请求头时用中文，只列出其他语言时用英文；
\`Content-Language\` 说明是哪一种。微信支付的回调通知按微信支付自己的格式应答。`,
    codes: '错误码',
    columns: ['code', '状态码', 'title（英文）', '`user_message`', '客户端如何处理'],
    unsure: `## 结果不明时

超时、连接中断、500、502、503、504 都不表示“什么也没有发生”。请用相同的 \`Idempotency-Key\` 重发同一请求：它至多生效一次。
不要因为请求失败就认定支付或退款失败：先查询；只有 \`status\` 表明可以时，才让付款人再次支付。`,
  },
} as const;

function pageOf(language: Language): string {
  const { head, codes, columns, unsure } = TEXTS[language];
  const example = toProblem(new DomainError('order_expired'), 'req_01JD8Q5Z6T8RZ1M0V4N9X2K7CB', language);
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { status, title, action } = ERRORS[code];
    return row([`\`${code}\``, `${status}`, title, USER_MESSAGES[code][language], ACTIONS[action][language]]);
  });
  const table = [row(columns), row(columns.map(() => '---')), ...rows].join('\n');
  const json = `\`\`\`json\n${JSON.stringify(example, null, 2)}\n\`\`\``;
  return [head, json, `## ${codes}`, table, unsure].join('\n\n');
}

const check = process.argv.includes('--check');
for (const language of LANGUAGES) {
  const path = join(ROOT, PAGES[language]);
  const page = await format(pageOf(language), { ...(await resolveConfig(path)), parser: 'markdown' });
  if (!check) writeFileSync(path, page);
  else if (readFileSync(path, 'utf8') !== page) {
    process.stderr.write(`${PAGES[language]} is not what the table of errors says: run npm run docs:errors\n`);
    process.exitCode = 1;
  }
}
