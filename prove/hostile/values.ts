import type { Chance } from '../random.js';

/** The items of a text, two blanks or a new line apart. */
const list = (text: string): string[] => text.trim().split(/ {2,}|\n\s*/);

/** JSON texts that stand where a schema wants something else. Texts and not values: JSON.stringify has no NaN. */
export const ODD_JSON: readonly string[] = [
  ...list(String.raw`
  null  true  false  0  -0  1  -1  1.5  0.1  1e1  1e400  -1e400  1E-400  00  01  +1  9007199254740992
  9007199254740993  2147483647  2147483648  -2147483649  1000000001  1e21  NaN  Infinity  -Infinity  undefined  0x10
  1_000  .5  5.  'text'  ""  " "  "0"  "1"  "1e400"  "-0"  "NaN"  "null"  "true"  []  {}  [[]]  [null]  [1]  ["a"]
  {"a":1}  {"toString":1}  {"valueOf":1}  {"then":1}  {"length":1e9}  {"toJSON":"x"}  {"$ne":null}  {"":""}
  {"__proto__":{"a":1}}  {"constructor":{"prototype":{"a":1}}}  {"\u005f_proto__":1}  "\u0000"  "a\u0000b"  "\ud800"
  "\udc00\ud800"  "a\nb"  "\u202e\u2066"  "\ufeff"  "\ufffe"  "\r\n"  "%00"  "../../etc/passwd"  "' OR 1=1--"  "$1"
  "{{7*7}}"  "<script>alert(1)</script>"  "茶"  "e\u0301"  "\u2028"  "\\"  "\u0007"  "\x41"`),
  ...['"${7*7}"', '"🍵"', '"ﷺ"', '"İ"', '"\t"'],
];

/** The same, made as large or as deep as is asked for. */
export function bigJson(chance: Chance): string {
  const size = chance.pick([128, 256, 1024, 4096, 5000, 30_000, 65_000, 70_000]);
  const make = chance.pick<(size: number) => string>([
    (n) => `"${'x'.repeat(n)}"`,
    (n) => `"${'茶'.repeat(n / 3)}"`,
    (n) => `"${'\\u0000'.repeat(n / 6)}"`,
    (n) => `${'['.repeat(n / 2)}${']'.repeat(n / 2)}`,
    (n) => `${'{"a":'.repeat(n / 6)}1${'}'.repeat(n / 6)}`,
    (n) => `[${'0,'.repeat(n / 2)}0]`,
    (n) => '9'.repeat(n),
    (n) => `1e${'9'.repeat(n)}`,
    (n) => `0.${'3'.repeat(n)}`,
    (n) => `{${Array.from({ length: n / 12 }, (_, index) => `"k${index}":${index}`).join()}}`,
    (n) => '['.repeat(n),
  ]);
  return make(Math.floor(size));
}

/** Texts for a query, as they stand in the address. */
export const ODD_QUERY: readonly string[] = [
  ...list(String.raw`
  0  -0  -1  1  100  101  1.5  1e1  1e400  0x10  NaN  Infinity  9007199254740992  %30  null  true  []  {}  %00  a%00b
  %0d%0aX-Injected:1  %ff%fe  %ed%a0%80  %c0%80  %  %zz  +  %20  '%20OR%201=1--  %24where  2009-W21-2  2009-001  2010
  2010-02-30  0000-01-01  9999-12-31  2010-02-18T10:00:00%2B23:59  2010-02-18T24:00:00  2010-02-18T10:00:60Z
  2010-02-18T16:23,4  20100218  2010-02-18T10:00:00Z  2010-02-18T10Z  2010-02  -000001-01-01  %2B123456-01-01
  __proto__  constructor  processing  open  paid  PAID  b3JkXzE  AAAA  ____  b3JkXzAx%3D%3D  %E8%8C%B6  %F0%9F%8D%B5`),
  ...[''],
];

/** Whole query strings. */
export const ODD_QUERIES: readonly string[] = [
  ...list(String.raw`
  &&&  =  ==  ?  %00=1  __proto__=1  __proto__[a]=1  constructor[prototype][a]=1  toString=1  limit[]=1  limit[a]=1
  limit.a=1  limit=1;limit=2  LIMIT=1  %6cimit=1  limit%00=1  hasOwnProperty=1  limit=1&limit=2  cursor=a&cursor=b
  payment_id=a&payment_id=b  #a`),
  ...['a'.repeat(4000), 'a=1&'.repeat(1200)],
];

/** Names that stand in a path where an id belongs. */
export const ODD_SEGMENTS: readonly string[] = [
  ...list(String.raw`
  %00  a%00b  %2F  ..%2F..%2Fetc%2Fpasswd  %2e%2e  .  ..  %252F  %5C  ;  a;b=1  %20  %0d%0a  null  undefined  0  -1
  1e400  *  %25  %ff  %ed%a0%80  %E8%8C%B6  %  %zz  %E0%A4%A  :id  __proto__  constructor  toString  '%20OR%201=1--
  {id}  $1`),
  ...['x'.repeat(199), 'x'.repeat(201), 'x'.repeat(5000)],
];

/** Headers that a client has no business sending like this; values are latin1. */
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'Idempotency-Key': ['', 'x'.repeat(256), 'a, b', '__proto__', '\xff\xfe', 'a\tb'],
  'X-Request-Id': ['', 'x'.repeat(8000), '<script>alert(1)</script>', '\xe8\x8c\xb6'.repeat(4), '__proto__'],
  'X-Forwarded-For': [
    '',
    'unknown, _hidden, "[2001:db8::1]:80"',
    '::ffff:999.999.999.999',
    '\xff'.repeat(300),
    '1.1.1.1,'.repeat(800),
    'x'.repeat(8000),
  ],
  'X-Forwarded-Host': ['evil.test'],
  'X-Forwarded-Proto': ['gopher'],
  'X-HTTP-Method-Override': ['DELETE'],
  'X-Original-URL': ['/api/admin/payments'],
  Authorization: [
    '',
    'Bearer',
    'Bearer null',
    'Basic YWRtaW46YWRtaW4=',
    `Bearer ${'a'.repeat(9000)}`,
    'Bearer \xff\xfe',
    'Bearer e30.e30.',
  ],
  Host: ['', 'evil.test:99999', '\xff'],
  Accept: ['application/xml', '*/*;q=NaN'],
  'Accept-Encoding': ['gzip;q=-1, br, *'],
  'Content-Encoding': ['gzip', 'x'.repeat(1000)],
  Range: ['bytes=0-'.repeat(500)],
  'If-None-Match': ['*'],
  'If-Modified-Since': ['yesterday'],
  Cookie: ['a=b; '.repeat(1000)],
  Expect: ['100-continue', 'a miracle'],
  Upgrade: ['websocket', 'h2c'],
  TE: ['trailers, deflate;q=0.5'],
  Origin: ['null', 'https://evil.test'],
  Forwarded: ['for="_x;y=z'],
  'User-Agent': ['', '() { :;}; echo'],
};

export const ODD_HEADERS = Object.entries(HEADERS).flatMap(([name, values]) =>
  values.map((value): readonly [name: string, value: string] => [name, value]),
);

export const CONTENT_TYPES: readonly string[] = [
  ...list(String.raw`
  text/plain  application/xml  application/x-www-form-urlencoded  multipart/form-data; boundary=x  ;;;
  application/json; charset=utf-16  application/json; charset=utf-7  application/json; charset="  */*  json
  application/json;charset=iso-8859-1  application/problem+json  application/json, text/plain  APPLICATION/JSON
  application/vnd.api+json  application/jsonx`),
  ...['', 'application/json\xff', `application/json; a=${'x'.repeat(3000)}`],
];

export const OTHER_METHODS: readonly string[] = [
  ...list(String.raw`
  GET  POST  PUT  PATCH  DELETE  HEAD  OPTIONS  TRACE  PROPFIND`),
];

/** Bytes that are no HTTP at all, or HTTP of a kind that is used to smuggle requests. `PATH` becomes a route's path. */
export const BROKEN_HTTP: readonly string[] = [
  'BREW PATH HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET PATH HTTP/1.1\r\n\r\n',
  'GET PATH HTTP/9.9\r\nHost: x\r\n\r\n',
  'GET PATH HTTP/1.1\r\nHost : x\r\n\r\n',
  'GET PATH HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n',
  'GET PATH HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n',
  'GET PATH\xff HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET PATH\0 HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET PATH PATH HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\nxx',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
  'POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
  'POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n',
  'POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n',
  `GET PATH HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  `GET PATH?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  '\r\n\r\n\r\nhello\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];
