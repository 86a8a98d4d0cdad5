// slow
/** MQTT.js is loaded by those alone who have a bridge. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/process.js';

const test = suite('loading of MQTT.js');

/** Starts and ends a broker with these bridges, and says whether MQTT.js was loaded. */
function script(bridges: string): string {
  const module = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url));
  return `
    import { createRequire } from 'node:module';
    import { Assembly } from ${module('assembly.js')};
    import { defaultConfig, defaultListener } from ${module('config/defaults.js')};
    import { parseConfig } from ${module('config/mosquitto-conf.js')};
    const files = { readFile: () => Buffer.from(${JSON.stringify(bridges)}), listFolder: () => [] };
    const { bridges } = parseConfig({ file: 'm.conf', files }).config;
    const listeners = [defaultListener({ port: 0, host: '127.0.0.1' })];
    const assembly = new Assembly({ ...defaultConfig(), listeners, bridges });
    await assembly.start();
    await assembly.close();
    const loaded = Object.keys(createRequire(${module('assembly.js')}).cache);
    console.log(loaded.some((path) => /[/]mqtt[/]build[/]/.test(path)));
    process.exit(0);
  `;
}

for (const [bridges, isLoaded] of [
  ['', 'false'],
  ['connection b\naddress 127.0.0.1:1\ntopic #\n', 'true'],
] as const) {
  test(bridges === '' ? 'without a bridge it is not' : 'with a bridge it is', async () => {
    const args = ['--input-type=module', '-e', script(bridges)];
    const { code, output } = await run(process.execPath, args, { deadlineMs: 20_000 });
    assert.is(`${code} ${output}`, `0 ${isLoaded}`);
  });
}

test.run();
