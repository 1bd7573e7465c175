import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Imported into the service that is attacked (`node --import`): SIGUSR2 makes it collect its garbage, so that what is
 * read after it is held and not merely not yet thrown away.
 */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
// Without the signal's name: an argument asks for a small collection.
process.on('SIGUSR2', () => collect());
