/** The largest serial that X.509 allows has 20 bytes (RFC 5280, section 4.1.2.2). */
const MOST_DIGITS = 40;

/**
 * A certificate's serial as WeChat writes it, hex in capitals, however a tool printed it: in small letters, with colons or
 * blanks, after `0x` or `serial=`, in decimal, with its leading zero lost or the zero byte of its sign. What is no
 * serial stays as it is, for a rule to refuse.
 */
export function normalSerial(text: string): string {
  const plain = text.replace(/^serial(\s*number)?\s*[=:]/i, '').replace(/[\s:]/g, '');
  const digits = plain.replace(/^0x/i, '').toUpperCase();
  if (!/^[0-9A-F]+$/.test(digits)) return text;
  // 40 decimal digits or fewer may be hex; more can only be the decimal spelling of 20 bytes.
  const isDecimal = digits === plain && digits.length > MOST_DIGITS + 2 && /^\d+$/.test(digits);
  const hex = isDecimal ? BigInt(digits).toString(16).toUpperCase() : digits;
  // Whole bytes: an odd number of digits has lost a zero.
  const whole = hex.length % 2 === 1 ? `0${hex}` : hex;
  return whole.length === MOST_DIGITS + 2 ? whole.replace(/^00/, '') : whole;
}
