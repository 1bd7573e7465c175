const vm = require('node:vm');
const { ModernFakeTimers } = require('@jest/fake-timers');
const { ModuleMocker } = require('jest-mock');

/** Stands for the process's own context where jest asks for one made by `vm.createContext`. */
const OWN_CONTEXT = Object.freeze({});
const { compileFunction } = vm;
vm.compileFunction = (source, parameters, options) =>
  options?.parsingContext === OWN_CONTEXT
    ? compileFunction(source, parameters, { ...options, parsingContext: undefined })
    : compileFunction(source, parameters, options);

/**
 * Runs test files in the context of the process instead of one of their own, so that they can share the packages that
 * {@link ./shared-packages-runtime.cjs} loads once per process: to load Nest, TypeORM and the rest takes longer than most
 * files take. After each file the global object is what it was before, and the project's own modules are loaded anew.
 */
module.exports = class OwnContextEnvironment {
  constructor({ projectConfig }) {
    this.before = new Map(
      Reflect.ownKeys(globalThis).map((key) => [key, Object.getOwnPropertyDescriptor(globalThis, key)]),
    );
    this.exit = process.exit;
    this.global = Object.assign(globalThis, projectConfig.globals);
    this.moduleMocker = new ModuleMocker(globalThis);
    this.fakeTimers = null;
    this.fakeTimersModern = new ModernFakeTimers({ config: projectConfig, global: globalThis });
  }

  async setup() {}

  async teardown() {
    this.fakeTimersModern.dispose();
    for (const key of Reflect.ownKeys(globalThis)) if (!this.before.has(key)) Reflect.deleteProperty(globalThis, key);
    for (const [key, descriptor] of this.before) {
      if (descriptor.configurable || 'value' in descriptor) Reflect.defineProperty(globalThis, key, descriptor);
    }
    process.exit = this.exit;
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  getVmContext() {
    return OWN_CONTEXT;
  }
};
