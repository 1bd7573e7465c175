import { readSettings } from './config/settings.js';
import { checkWechat } from './provider/provider.module.js';
import { fatal, obeySignals, start } from './start.js';

try {
  const read = () => readSettings(checkWechat);
  obeySignals(await start(read()), read);
} catch (error) {
  fatal(error);
}
