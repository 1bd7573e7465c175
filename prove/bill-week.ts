export const billWeek = { name: 'bill-week', about: '', options: {}, run: async () => {} };
