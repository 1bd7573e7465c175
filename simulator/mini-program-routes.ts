import { type JsonObject } from './fields.js';
import { Refusal } from './mini-program.js';
import { type Call, ok, type Reply, type Route } from './router.js';
import { type Simulation } from './simulation.js';

/** The mini-program APIs of `api.weixin.qq.com` that a shop needs around a payment. */
export function miniProgramRoutes(sim: Simulation): Route[] {
  const route = (
    method: 'GET' | 'POST',
    path: string,
    point: Route['point'],
    work: (call: Call) => JsonObject,
  ): Route => ({
    method,
    path,
    point,
    handle: (call) => answering(() => work(call)),
  });
  return [
    route('GET', '/sns/jscode2session', 'login', (call) => login(sim, call)),
    route('POST', '/cgi-bin/stable_token', 'token', (call) => token(sim, call)),
    route('POST', '/cgi-bin/message/subscribe/send', 'message', (call) => {
      sim.miniProgram.send(call.query.get('access_token') ?? '', bodyOf(call));
      return { errcode: 0, errmsg: 'ok' };
    }),
  ];
}

/** HTTP is always 200 here; `errcode` tells. */
function answering(work: () => JsonObject): Reply {
  try {
    return ok(work());
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return ok({ errcode: error.errcode, errmsg: error.message });
  }
}

function login(sim: Simulation, call: Call): JsonObject {
  const value = (name: string): string => call.query.get(name) ?? '';
  if (value('grant_type') !== 'authorization_code') throw new Refusal(40002, 'invalid grant_type');
  if (value('js_code') === '') throw new Refusal(41008, 'missing code');
  return sim.miniProgram.login(value('appid'), value('secret'), value('js_code'));
}

function token(sim: Simulation, call: Call): JsonObject {
  const body = bodyOf(call);
  if (body.grant_type !== 'client_credential') throw new Refusal(40002, 'invalid grant_type');
  const text = (name: string): string => (typeof body[name] === 'string' ? body[name] : '');
  return sim.miniProgram.token(text('appid'), text('secret'), body.force_refresh === true);
}

function bodyOf(call: Call): JsonObject {
  const { json } = call;
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Refusal(47001, 'data format error');
  return json;
}
