export interface Answer<T> {
  /** 0: nobody answered. */
  status: number;
  body: T;
}

/** Somebody who speaks to the service at an address, with a token of his own or none. */
export interface Api {
  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>>;
  post<T = Record<string, unknown>>(path: string, body?: object, key?: string): Promise<Answer<T>>;
}

export function apiAt(url: string, token?: string): Api {
  const send = async <T>(method: string, path: string, body?: object, key?: string): Promise<Answer<T>> => {
    const response = await fetch(`${url}/api${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
    }).catch(() => null);
    // A process that dies over its answer has not given one.
    const text = await response?.text().catch(() => null);
    if (!response || text === null || text === undefined) return { status: 0, body: {} as T };
    return { status: response.status, body: (text ? JSON.parse(text) : {}) as T };
  };
  return { get: (path) => send('GET', path), post: (path, body, key) => send('POST', path, body, key) };
}

/** The body of an answer that must have this status. */
export async function must<T>(asked: Promise<Answer<T>>, ...statuses: number[]): Promise<T> {
  const { status, body } = await asked;
  if (!statuses.includes(status)) throw new Error(`answered ${status} ${JSON.stringify(body)}`);
  return body;
}
