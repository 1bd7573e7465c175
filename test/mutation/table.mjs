import { dirname, relative } from 'node:path';

const CAUGHT = ['Killed', 'Timeout'];
const MISSED = ['Survived', 'NoCoverage'];
const FAILED = ['RuntimeError', 'CompileError'];

/** Scores by folder and together, as text: caught by all that could be caught, in per cent. */
export function table(results) {
  const folders = new Map();
  for (const { fileName, status } of results) {
    const folder = dirname(relative('.', fileName));
    for (const key of [folder, 'together']) {
      const row = folders.get(key) ?? {};
      row[status] = (row[status] ?? 0) + 1;
      folders.set(key, row);
    }
  }
  const sum = (row, statuses) => statuses.reduce((all, status) => all + (row[status] ?? 0), 0);
  const lines = [...folders]
    .sort(([a], [b]) => Number(a === 'together') - Number(b === 'together') || a.localeCompare(b))
    .map(([folder, row]) => {
      const [caught, missed, failed] = [CAUGHT, MISSED, FAILED].map((statuses) => sum(row, statuses));
      const score = ((100 * caught) / (caught + missed)).toFixed(2);
      const figures = [score, row.Killed ?? 0, row.Timeout ?? 0, row.Survived ?? 0, row.NoCoverage ?? 0, failed];
      return [folder.padEnd(24), ...figures.map((figure) => String(figure).padStart(11))].join('');
    });
  const head = ['score %', 'killed', 'timed out', 'survived', 'no test', 'no verdict'].map((word) => word.padStart(11));
  return [`${'folder'.padEnd(24)}${head.join('')}`, ...lines].join('\n');
}
