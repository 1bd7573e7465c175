import { readGiven, readSettings } from './config/settings.js';
import { startEmbedded } from './embedded-database.js';
import { checkWechat } from './provider/provider.module.js';
import { fatal, handleSignals, start } from './start.js';

try {
  const read = () => readSettings(checkWechat);
  const starting = start(read(), startEmbedded(readGiven()));
  handleSignals(starting, read);
  await starting;
} catch (error) {
  fatal(error);
}
