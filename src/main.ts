import { readSettings } from './config/settings.js';
import { startEmbedded } from './embedded-database.js';
import { checkWechat } from './provider/provider.module.js';
import { fatal, obeySignals, start } from './start.js';

try {
  const read = () => readSettings(checkWechat);
  obeySignals(await start(read(), startEmbedded), read);
} catch (error) {
  fatal(error);
}
