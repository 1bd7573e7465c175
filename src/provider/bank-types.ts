/** Debit cards that the abnormal-refund call takes (manual, page 4013071193). */
export const BANK_TYPES = [
  'CMB',
  'COMM',
  'ABC',
  'CCB',
  'ICBC',
  'BOC',
  'PAB',
  'SPDB',
  'CITIC',
  'CEB',
  'CMBC',
  'CIB',
  'GDB',
  'PSBC',
  'NBCB',
].map((bank) => `${bank}_DEBIT`);
