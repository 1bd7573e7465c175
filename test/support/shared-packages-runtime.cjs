const { createRequire, isBuiltin } = require('node:module');
const { default: JestRuntime } = require('jest-runtime');

const OF_JEST = /^(@jest\/|jest$|jest-|expect$)/;

/** Gives packages out of the process's own module cache; the project's files are loaded anew for each test file. */
module.exports = class SharedPackagesRuntime extends JestRuntime {
  constructor(...args) {
    const { getBuiltinModule } = process;
    super(...args);
    process.getBuiltinModule = getBuiltinModule;
  }

  requireModuleOrMock(from, name) {
    const own = /^[./]/.test(name) || isBuiltin(name) || OF_JEST.test(name);
    return own ? super.requireModuleOrMock(from, name) : createRequire(from)(name);
  }
};
