/** Style and script of the payment sheet. No file, no network: the page works wherever the simulator does. */
export const CASHIER_STYLE = `
*{box-sizing:border-box}
body{margin:0;background:#3a3a3c;font:16px/1.5 -apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#191919}
small{font-size:11px;color:#9a9a9a;font-weight:400}
.phone{max-width:420px;min-height:100vh;margin:0 auto;background:linear-gradient(#ededed,#c9c9cb);display:flex;flex-direction:column}
header{padding:14px 16px;font-weight:600;display:flex;align-items:center;gap:8px}
header small{margin-left:auto}
.mark{background:#07c160;color:#fff;border-radius:50%;width:22px;height:22px;display:inline-grid;place-items:center;font-size:13px}
.sheet,.result{background:#fff;border-radius:14px 14px 0 0;margin-top:auto;padding:18px 22px 28px;position:relative}
.result{margin:14vh 16px auto;border-radius:14px;text-align:center;padding:34px 22px}
[hidden]{display:none!important}
h1{font-size:17px;font-weight:500;text-align:center;margin:8px 0 0}
.amount{font-size:44px;font-weight:600;text-align:center;margin:2px 0 18px;line-height:1.2}
.amount span{font-size:28px;margin-right:3px}
dl{margin:0 0 22px;border-top:1px solid #ececec}
dl div{display:flex;gap:16px;justify-content:space-between;padding:11px 0;border-bottom:1px solid #ececec}
dt{color:#888;white-space:nowrap}
dd{margin:0;text-align:right;overflow-wrap:anywhere}
.mono{font-family:ui-monospace,Menlo,monospace;font-size:12px}
button{font:inherit;border:0;background:none;cursor:pointer;color:inherit}
button:focus-visible{outline:2px solid #10aeff;outline-offset:2px}
button:disabled{opacity:.5;cursor:default}
.pay{display:block;width:100%;background:#07c160;color:#fff;font-weight:600;font-size:17px;border-radius:8px;padding:12px}
.pay small{color:#d6f5e3}
.plain{background:#f2f2f2;color:#07c160;margin-top:20px}
.plain small{color:#8bc9a6}
.others{display:flex;justify-content:space-around;margin-top:12px}
.others button{color:#576b95;padding:8px 12px}
.close{position:absolute;left:16px;top:20px;font-size:18px;color:#888;line-height:1}
.message{min-height:24px;margin:8px 0 0;text-align:center;color:#fa5151}
.tick{width:64px;height:64px;border-radius:50%;background:#07c160;color:#fff;font-size:34px;display:grid;place-items:center;margin:0 auto 12px}
.refused .tick,.cancelled .tick{background:#b2b2b2}
.errmsg{color:#9a9a9a}
`;

/** What the page does: tells the simulator what the payer chose, and the page that opened it what the client would hear. */
export const CASHIER_SCRIPT = `
const at = (id) => document.getElementById(id);
const sheet = at('sheet');
if (sheet) {
  const call = (what) => fetch('/_sim/transactions/' + sheet.dataset.no + '/' + what, { method: 'POST' });
  const tell = (errMsg) => {
    for (const other of [window.opener, window.parent]) {
      if (other && other !== window) other.postMessage({ type: 'requestPayment', errMsg }, '*');
    }
  };
  const show = (kind, title, errMsg) => {
    sheet.hidden = true;
    at('result').hidden = false;
    at('result').className = 'result ' + kind;
    at('tick').textContent = kind === 'done' ? '✓' : '!';
    at('result-title').textContent = title;
    at('errmsg').textContent = errMsg;
    at('again').hidden = kind === 'done';
    tell(errMsg);
  };
  const busy = (is) => { for (const button of sheet.querySelectorAll('button')) button.disabled = is; };
  const attempt = async (what, done) => {
    busy(true);
    at('message').textContent = '';
    try {
      const answer = await call(what);
      if (answer.ok) done();
      else at('message').textContent = (await answer.json()).message;
    } catch {
      at('message').textContent = '网络异常，请重试 Network error';
    }
    busy(false);
  };
  const cancel = () => show('cancelled', '已取消支付 Cancelled', 'requestPayment:fail cancel');
  at('pay').onclick = () => attempt('pay', () => show('done', '支付成功 Paid', 'requestPayment:ok'));
  at('fail').onclick = () => attempt('fail', () => show('refused', '支付失败 Failed', 'requestPayment:fail 余额不足'));
  at('cancel').onclick = cancel;
  at('cancel-text').onclick = cancel;
  at('again').onclick = () => { at('result').hidden = true; sheet.hidden = false; };
}
`;
