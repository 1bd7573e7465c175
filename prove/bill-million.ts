export const billMillion = { name: 'bill-million', about: '', options: {}, run: async () => {} };
