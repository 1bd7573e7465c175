import { readSettings } from './config/settings.js';
import { fatal, start, stopOnSignals } from './start.js';

try {
  stopOnSignals(await start(readSettings()));
} catch (error) {
  fatal(error);
}
