import ipaddr from 'ipaddr.js';
import { isIP, isIPv6 } from 'node:net';

/**
 * The one form in which addresses are compared, counted and kept, or null when the text is none: IPv4 as four numbers (also
 * when it arrives as IPv6, `::ffff:1.2.3.4`), IPv6 as RFC 5952 writes it, without zone. Takes what proxies write:
 * a port, brackets and quotes around it.
 */
export function normalAddress(text: string): string | null {
  const bare = withoutPort(text.trim().replace(/^"(.*)"$/, '$1')).replace(/%.*$/, '');
  // The library alone would also take `1` and `0x7f.1` for addresses.
  if (bare.length > 45 || isIP(bare) === 0) return null;
  return ipaddr.process(bare).toString();
}

function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  // Without brackets a port can be told from an address in IPv4 only.
  return bracketed ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
}

/** Whom a limit counts: an IPv4 address, or the /64 of an IPv6 address, within which one caller may choose freely. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const bytes = ipaddr.IPv6.parse(address).toByteArray();
  return `${new ipaddr.IPv6([...bytes.slice(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).toString()}/64`;
}

/** Ranges of ipaddr.js that no router passes on to the Internet. */
const LOCAL_RANGES = new Set(['loopback', 'private', 'linkLocal', 'uniqueLocal']);

/** Whether the host of a URL is this machine or an address of a local network. A name is one only if it is `localhost`. */
export function isLocalHost(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  const address = normalAddress(host);
  return address !== null && LOCAL_RANGES.has(ipaddr.process(address).range());
}
